import { metricOf, type MetricName } from '../tasks/metrics/metrics.js';
import { SearchError, throwIfAborted } from '../util/errors.js';
import { mapInFlight, type RunOptions } from '../util/progress.js';
import { evaluateExactly, type Evaluate, type ExactEvaluation } from './evaluation.js';
import {
  Assignment,
  checkSpace,
  groupsOf,
  normaliseBits,
  type Level,
  type SearchSpace,
  type UnitGroup,
} from './space.js';

/** One group alone quantized, while everything else stays fp32. */
export interface SensitivityRow {
  readonly level: Level;
  /** The block's, module's or matrix's id. */
  readonly unit: string;
  readonly bits: number;
  /** Accuracy in [0, 1], or perplexity. */
  readonly metric: number;
  /** Loss against the unquantized model: positive is worse, for either metric. */
  readonly loss: number;
  /** Footprint of the whole model so. */
  readonly bytes: number;
  /** KL divergence of the logits, spike-flip rate, SQNR: whatever the evaluator adds. */
  readonly extras?: Readonly<Record<string, number>>;
}

/** Loss and footprint of each group at each bit width, measured alone. */
export interface SensitivityTable {
  readonly metric: MetricName;
  readonly baseline: ExactEvaluation;
  readonly fp32Bytes: number;
  /** By level, unit in network order, then falling bits. */
  readonly rows: readonly SensitivityRow[];
}

export interface SensitivityOptions extends RunOptions {
  readonly metric: MetricName;
  readonly bits: readonly number[];
  /** Blocks and modules by default. A group that a coarser level has too is measured twice. */
  readonly levels?: readonly Level[];
  /** Rows that are measured at once; one by default. They do not depend on each other. */
  readonly inFlight?: (() => number) | undefined;
  /** Each row as it is measured, in their order. */
  readonly onRow?: ((row: SensitivityRow) => void) | undefined;
}

/**
 * Measures each group × bit width alone.
 *
 * @throws {SearchError} for an empty space or bad bit widths. @throws {AbortedError} when the signal fires.
 */
export async function measureSensitivity(
  space: SearchSpace,
  evaluate: Evaluate,
  options: SensitivityOptions,
): Promise<SensitivityTable> {
  checkSpace(space);
  const { metric, signal } = options;
  const bits = normaliseBits(options.bits);
  const todo = (options.levels ?? ['block', 'module']).flatMap((level) =>
    groupsOf(space, level).flatMap((group) => bits.map((width) => ({ level, group, width }))),
  );
  const total = todo.length + 1;
  const measure = (note: string, done: number, plan: Assignment): Promise<ExactEvaluation> => {
    throwIfAborted(signal, 'sensitivity');
    options.onProgress?.({ phase: 'sensitivity', done, total, unit: 'evaluations', note });
    return evaluateExactly(evaluate, plan, { parent: Assignment.unquantized, signal });
  };

  const baseline = await measure('unquantized', 0, Assignment.unquantized);
  let done = 1;
  const rowOf = async ({ level, group, width }: (typeof todo)[number]): Promise<SensitivityRow> => {
    const plan = Assignment.unquantized.with(group.units, width);
    const measured = await measure(`${group.id} at ${width} bits`, done, plan);
    done++;
    return {
      level,
      unit: group.id,
      bits: width,
      metric: measured.metric,
      loss: metricOf(metric).lossOf(baseline.metric, measured.metric),
      bytes: space.bytes(plan),
      ...(measured.extras && { extras: measured.extras }),
    };
  };
  const rows = await mapInFlight(todo, options.inFlight ?? (() => 1), rowOf, (row) => {
    options.onRow?.(row);
  });
  options.onProgress?.({ phase: 'sensitivity', done: total, total, unit: 'evaluations' });
  return { metric, baseline, fp32Bytes: space.bytes(Assignment.unquantized), rows };
}

/**
 * Groups from the least to the most sensitive, by the mean loss over the bit widths that the table has for
 * the group. Equals stay in the order given; a loss that is no number counts as the largest. A group
 * without rows of its own (a module, where only blocks were measured) has its block's sensitivity.
 *
 * @throws {SearchError} when the table knows neither the group nor its block.
 */
export function orderBySensitivity(
  groups: readonly UnitGroup[],
  table: SensitivityTable,
): UnitGroup[] {
  const meanLoss = (unit: string): number | undefined => {
    const losses = table.rows.filter((row) => row.unit === unit).map((row) => row.loss);
    if (losses.length === 0) return undefined;
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    return Number.isNaN(mean) ? Infinity : mean;
  };
  const known = groups.map((group) => {
    const sensitivity = meanLoss(group.id) ?? meanLoss(group.block);
    if (sensitivity === undefined)
      throw new SearchError({ what: 'no sensitivity was measured', where: group.id });
    return { group, sensitivity };
  });
  // Unlike a difference, right for two infinities.
  known.sort(({ sensitivity: a }, { sensitivity: b }) => (a < b ? -1 : a > b ? 1 : 0));
  return known.map(({ group }) => group);
}

/** The assignment that a row measured. */
export function rowAssignment(
  space: SearchSpace,
  { level, unit, bits }: Pick<SensitivityRow, 'level' | 'unit' | 'bits'>,
): Assignment {
  const group = groupsOf(space, level).find(({ id }) => id === unit);
  return Assignment.unquantized.with(group?.units ?? [], bits);
}
