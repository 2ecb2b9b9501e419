import type { LoadedModel } from '../../model/loaded-model.js';
import type { SensitivityRow, SensitivityTable } from '../../search/sensitivity.js';
import { Assignment, groupsOf } from '../../search/space.js';
import type { Task } from '../../tasks/task.js';
import { FISHER_SENTENCES, FISHER_WINDOWS } from '../../training/fisher.js';
import { throwIfAborted } from '../../util/errors.js';
import { yieldToEvents, type RunOptions } from '../../util/progress.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Study } from '../open/study.js';
import {
  calibrationTask,
  FISHER,
  FISHER_VERSION,
  Increases,
  withGradients,
  type FisherWork,
} from './fisher-table.js';

/** Forward passes that are timed, after one that is not. */
const TIMED_PASSES = 3;

/** The work of a column: of the time when it was done, where it was remembered. */
export interface FisherColumnWork extends FisherWork {
  /**
   * The gradients in forward passes over the study's task, both timed in one thread; on a busy machine rather too
   * many, since of forward passes the shortest counts.
   */
  readonly evaluations: number;
}

/**
 * A measured table with the expected rise of the NLL among the extras of its rows. Gradients are taken once, where
 * the store does not know all rows; rows and work are kept there beside the measurements of the same plans. A plan
 * that broke the model has none, as of other observables.
 *
 * @param calibration a file of data to take gradients on; the first items of the study's task by default
 */
export async function withFisher(
  study: Study,
  space: ModelSpace,
  table: SensitivityTable,
  calibration: string | undefined,
  run: RunOptions = {},
): Promise<{ readonly table: SensitivityTable; readonly work: FisherColumnWork }> {
  const task = await calibrationTask(study, calibration);
  const name = fisherKey(task);
  const kept = new Kept(study, space);
  const rows = table.rows.map((row) => ({ row, plan: planOf(space, row) }));
  const known = rows.map(({ row, plan }) => valueOf(row, () => kept.get(plan, name)));
  const done = kept.get(Assignment.unquantized, `${name}, work`);
  if (typeof done === 'object' && known.every((value) => typeof value === 'number')) {
    const [sequences, tokens, seconds, evaluations] = done;
    const work = { sequences, tokens, seconds, evaluations, source: task.source };
    return { table: filled(table, known), work };
  }
  const { information, secondsPerToken } = await withGradients(
    study,
    task,
    run,
    async (found, model) => ({
      information: found,
      secondsPerToken: await forwardSeconds(model, task),
    }),
  );
  const { sequences, tokens, seconds } = information;
  const evaluations = seconds / (secondsPerToken * study.task.tokens);
  const increases = new Increases(study, space, information);
  const found: number[] = [];
  for (const { row, plan } of rows) {
    throwIfAborted(run.signal, 'sensitivity by gradient');
    const value = Number.isNaN(row.metric) ? NaN : await increases.of(plan);
    found.push(value);
    if (!Number.isNaN(value)) kept.put(plan, name, value);
    await yieldToEvents();
  }
  // Last: with it a column counts as whole.
  kept.put(Assignment.unquantized, `${name}, work`, [sequences, tokens, seconds, evaluations]);
  const work = { sequences, tokens, seconds, evaluations, source: task.source };
  return { table: filled(table, found), work };
}

/** Seconds of a forward pass over a batch, by its tokens: the shortest of several, others may be at work too. */
async function forwardSeconds(model: LoadedModel, task: Task): Promise<number> {
  let seconds = Infinity;
  for (let pass = 0; pass <= TIMED_PASSES; pass++) {
    const started = performance.now();
    await task.score(model, 0);
    // The first one is slower, whatever the machine does.
    if (pass > 0) seconds = Math.min(seconds, (performance.now() - started) / 1000);
  }
  return seconds / task.batches[0].lengths.reduce((sum, length) => sum + length, 0);
}

/** The rise's name in the store: other data to take gradients on, or more of them, give another figure. */
export function fisherKey(task: Task): string {
  const most = task.context === undefined ? FISHER_SENTENCES : FISHER_WINDOWS;
  return `${FISHER}@${FISHER_VERSION}, first ${Math.min(most, task.items)} of ${task.id}`;
}

function planOf(space: ModelSpace, { level, unit, bits }: SensitivityRow): Assignment {
  const { units } = groupsOf(space, level).find(({ id }) => id === unit)!;
  return Assignment.unquantized.with(units, bits);
}

/** NaN of a plan that broke the model: nothing is kept of it. */
function valueOf<T>({ metric }: SensitivityRow, known: () => T): T | number {
  return Number.isNaN(metric) ? NaN : known();
}

function filled(table: SensitivityTable, values: readonly number[]): SensitivityTable {
  const rows = table.rows.map((row, at) =>
    Number.isNaN(values[at]) ? row : { ...row, extras: { ...row.extras, [FISHER]: values[at] } },
  );
  return { ...table, rows };
}

/** Figures that lie in the store beside the measurements of plans. */
class Kept {
  constructor(
    private readonly study: Study,
    private readonly space: ModelSpace,
  ) {}

  get(plan: Assignment, name: string): number | readonly number[] | undefined {
    const { store, evaluator, accelerations } = this.study;
    if (!accelerations.memo) return undefined;
    return store.get(evaluator.keyOf(this.space.resolve(plan)))?.extras?.[name];
  }

  put(plan: Assignment, name: string, value: number | readonly number[]): void {
    const { store, evaluator } = this.study;
    const key = evaluator.keyOf(this.space.resolve(plan));
    const stored = store.get(key);
    if (stored !== undefined) store.put(key, { ...stored, extras: { [name]: value } });
  }
}
