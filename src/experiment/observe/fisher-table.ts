import { matricesOf } from '../../layout/hierarchy.js';
import { LoadedModel } from '../../model/loaded-model.js';
import { simulatedMatrix } from '../../quant/matrix-values.js';
import { schemeToJson } from '../../quant/scheme/scheme-json.js';
import { UNQUANTIZED_BITS, type Scheme } from '../../quant/scheme/scheme.js';
import { evaluateExactly } from '../../search/evaluation.js';
import type { SensitivityRow, SensitivityTable } from '../../search/sensitivity.js';
import { Assignment, groupsOf, normaliseBits, type Level } from '../../search/space.js';
import type { TaskName } from '../../tasks/kinds.js';
import type { Task } from '../../tasks/task.js';
import {
  expectedIncrease,
  fisherInformation,
  type FisherInformation,
} from '../../training/fisher.js';
import { throwIfAborted } from '../../util/errors.js';
import { canonicalJson } from '../../util/json.js';
import { yieldToEvents, type RunOptions } from '../../util/progress.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Study } from '../open/study.js';

/** The scope of a table of sensitivities by gradient. */
export interface FisherSettings {
  readonly bits: readonly number[];
  readonly levels: readonly Exclude<Level, 'global'>[];
  /** A file of data to take gradients on; the first items of the search split by default. */
  readonly calibration?: string | undefined;
}

/** The data that gradients were taken on. */
export type FisherSample = Pick<FisherInformation, 'sequences' | 'tokens'> & {
  readonly source: string;
};

/** The work that the gradients were. */
export type FisherWork = FisherSample & Pick<FisherInformation, 'seconds'>;

/** Raise when the meaning of the expected rise changes, or the gradients do: stored ones of before do not count. */
export const FISHER_VERSION = 1;

/** A table that one pass of gradients made; see {@link fisherTable}. */
export interface FisherTable {
  readonly table: SensitivityTable;
  readonly work: FisherWork;
}

/** The name of the expected rise of the NLL, in nats a prediction, among a row's extras. */
export const FISHER = 'fisher';

/**
 * A sensitivity table from one pass of gradients over a calibration sample, and one evaluation, of the
 * unquantized model. No row is measured: metric and loss of the rows are NaN, the expected rise of the NLL is
 * among the extras.
 */
export async function fisherTable(
  study: Study,
  space: ModelSpace,
  { bits, levels, calibration }: FisherSettings,
  run: RunOptions = {},
): Promise<FisherTable> {
  const { metric } = study.task;
  const unquantized = Assignment.unquantized;
  const baseline = await evaluateExactly(study.evaluator.evaluateIn(space), unquantized, {
    parent: unquantized,
    signal: run.signal,
  });
  const task = await calibrationTask(study, calibration);
  const information = await withGradients(study, task, run, (found) => found);
  const increase = new Increases(study, space, information);
  const rows: SensitivityRow[] = [];
  for (const level of levels)
    for (const { id, units } of groupsOf(space, level))
      for (const width of normaliseBits(bits)) {
        throwIfAborted(run.signal, 'sensitivity');
        const plan = unquantized.with(units, width);
        const extras = { [FISHER]: await increase.of(plan) };
        const bytes = space.bytes(plan);
        rows.push({ level, unit: id, bits: width, metric: NaN, loss: NaN, bytes, extras });
        await yieldToEvents();
      }
  const { sequences, tokens, seconds } = information;
  return {
    table: { metric, baseline, fp32Bytes: space.bytes(unquantized), rows },
    work: { sequences, tokens, seconds, source: task.source },
  };
}

/** The same table with the expected rise as the loss, for an order of units. */
export function byFisher(table: SensitivityTable): SensitivityTable {
  const rows = table.rows.map((row) => ({ ...row, loss: row.extras?.[FISHER] ?? NaN }));
  return { ...table, rows };
}

/** The data that gradients are taken on: a file's, or the study's own. */
export async function calibrationTask(
  study: Study,
  calibration: string | undefined,
): Promise<Task> {
  const { search } = study.options;
  if (calibration === undefined) return search.task;
  const { context } = search.task;
  // The name is a plain text since tasks can come from outside; a study that builds tasks was opened by one of these.
  const request = {
    ...{ task: search.task.name as TaskName, data: calibration, limit: undefined },
    ...(context && { context }),
  };
  return (await study.buildTask(request, 'calibration')).task;
}

/** Takes gradients of a task's first sequences, and hands them on with the model while it is loaded. */
export async function withGradients<T>(
  { options: { file } }: Study,
  task: Task,
  run: RunOptions,
  work: (information: FisherInformation, model: LoadedModel) => T | Promise<T>,
): Promise<T> {
  const model = await LoadedModel.load(file.checkpoint, { description: file }, run);
  try {
    const names = matricesOf(file.hierarchy).map(({ name }) => name);
    return await work(await fisherInformation(model, task, names, run), model);
  } finally {
    model.dispose();
  }
}

/** Expected rises of plans, from those of matrices at their schemes, each worked out once. */
export class Increases {
  private readonly known = new Map<string, number>();

  constructor(
    private readonly study: Study,
    private readonly space: ModelSpace,
    private readonly information: FisherInformation,
  ) {}

  /** Of the NLL, in nats a prediction. */
  async of(assignment: Assignment): Promise<number> {
    let total = 0;
    for (const [name, scheme] of this.space.resolve(assignment))
      if (scheme.bits !== UNQUANTIZED_BITS) total += await this.ofMatrix(name, scheme);
    return total;
  }

  private async ofMatrix(name: string, scheme: Scheme): Promise<number> {
    const key = `${name} ${canonicalJson(schemeToJson(scheme))}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const { checkpoint, layout } = this.study.options.file;
    const values = await checkpoint.readFloat32(name);
    const rounded = await simulatedMatrix(checkpoint, name, scheme, values);
    const bySign = layout.parameters.some((one) => one.name === name && one.role === 'sign');
    const found = expectedIncrease(this.information, name, values, rounded, bySign);
    this.known.set(key, found);
    return found;
  }
}
