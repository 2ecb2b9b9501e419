import { SearchError } from '../../util/errors.js';
import type { SensitivityRow, SensitivityTable } from '../sensitivity.js';
import {
  Assignment,
  FULL_PRECISION,
  groupsOf,
  type Level,
  type SearchSpace,
  type UnitGroup,
} from '../space.js';
import { solveKnapsack, type KnapsackFront, type KnapsackUnit } from './knapsack.js';

export interface AdditiveModelOptions {
  /** The rows of the table that are used: the groups that get bits of their own. */
  readonly level: Exclude<Level, 'global'>;
  /**
   * The loss of a row; the metric's by default. A smoother figure that grows with damage (KL divergence)
   * adds up better over units than the accuracy of a thousand sentences.
   */
  readonly lossOf?: (row: SensitivityRow) => number;
  readonly gridBytes?: number | undefined;
}

/** Predicts a plan's loss as the sum of what each unit loses alone, and its footprint exactly. */
export interface AdditiveModel {
  readonly groups: readonly UnitGroup[];
  /** Of each group, its choices by falling bits, {@link FULL_PRECISION} first. */
  readonly units: readonly KnapsackUnit[];
  /**
   * Of each group and choice, the metric's own loss, made monotone like the model's; 0 for one that the table
   * has no number for.
   */
  readonly metricLosses: readonly (readonly number[])[];
  /** The best plans that the model knows, for every budget. */
  readonly front: KnapsackFront;
  /**
   * Of the choices that the model says lose nothing, which {@link front} sees no difference between: the plans of least
   * rounding noise, for every budget. Noise is 4^−bits of a unit: 6 dB a bit.
   */
  flatFront(): KnapsackFront;
  /** The plan that gives each group these bits. */
  assignment(bits: readonly number[]): Assignment;
}

/**
 * Builds the additive model from a table measured once. Losses of a unit are made monotone first: fewer
 * bits never lose less, full precision loses nothing, and what the table says beyond that is taken as
 * noise ({@link monotoneLosses}). Rows whose loss is no finite number are left out.
 *
 * @throws {SearchError} when the table has no rows of the level.
 */
export function additiveModel(
  space: SearchSpace,
  table: SensitivityTable,
  options: AdditiveModelOptions,
): AdditiveModel {
  const { level, lossOf = (row) => row.loss, gridBytes } = options;
  const groups = groupsOf(space, level);
  const rowsOf = groups.map((group) =>
    table.rows
      .filter((row) => row.level === level && row.unit === group.id)
      .filter((row) => row.bits < FULL_PRECISION && Number.isFinite(lossOf(row)))
      .sort((a, b) => b.bits - a.bits),
  );
  const units = groups.map((group, index) => {
    const losses = monotoneLosses(rowsOf[index].map(lossOf));
    const choices = rowsOf[index].map((row, at) => ({
      bits: row.bits,
      bytes: row.bytes - table.fp32Bytes,
      loss: losses[at],
    }));
    return { id: group.id, choices: [{ bits: FULL_PRECISION, bytes: 0, loss: 0 }, ...choices] };
  });
  if (units.every((unit) => unit.choices.length === 1))
    throw new SearchError({ what: 'the sensitivity table has no rows', where: `level ${level}` });
  return {
    groups,
    units,
    metricLosses: rowsOf.map((rows) => [
      0,
      ...monotoneLosses(rows.map(({ loss }) => (Number.isFinite(loss) ? loss : 0))),
    ]),
    front: solveKnapsack(units, { fixedBytes: table.fp32Bytes, gridBytes }),
    flatFront: () => solveKnapsack(units.map(byNoise), { fixedBytes: table.fp32Bytes, gridBytes }),
    assignment: (bits) =>
      groups.reduce((plan, { units }, at) => plan.with(units, bits[at]), Assignment.unquantized),
  };
}

/** A unit's choices without loss, at what they add in noise. */
function byNoise({ id, choices }: KnapsackUnit): KnapsackUnit {
  const free = choices.filter(({ loss }) => loss === 0);
  return {
    id,
    choices: free.map(({ bits, bytes }) => ({
      bits,
      bytes,
      loss: bits === FULL_PRECISION ? 0 : 4 ** -bits,
    })),
  };
}

/**
 * The non-decreasing, non-negative sequence closest to `losses` in squared error: isotonic regression by
 * pooling adjacent violators (Ayer et al. 1955), cut at 0.
 *
 * @param losses by falling bits.
 */
export function monotoneLosses(losses: readonly number[]): number[] {
  const pools: { sum: number; count: number }[] = [];
  for (const loss of losses) {
    let [sum, count] = [loss, 1];
    for (
      let last = pools.at(-1);
      last && last.sum / last.count > sum / count;
      last = pools.at(-1)
    ) {
      sum += last.sum;
      count += last.count;
      pools.pop();
    }
    pools.push({ sum, count });
  }
  return pools.flatMap(({ sum, count }) => new Array<number>(count).fill(Math.max(0, sum / count)));
}
