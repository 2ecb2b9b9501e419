import type { Hierarchy, Vector } from '../layout/hierarchy.js';
import type {
  LimitsRecord,
  MatrixRecord,
  SensitivityRecord,
  StepRecord,
  TaskName,
} from '../plots/records.js';
import type { Limits } from '../search/constraints.js';
import type { Differences } from '../search/differences.js';
import { gateText } from '../search/gate.js';
import { rungText } from '../search/ladder/words.js';
import type { SensitivityTable } from '../search/sensitivity.js';
import type { Level, UnitInfo } from '../search/space.js';
import type { Ties } from '../search/ties.js';
import type { SearchStep } from '../search/trace.js';

/** Facts that results of a search do not say themselves. */
export interface Origin {
  readonly task: TaskName;
  readonly model: string;
  /**
   * Bits that a value of a unit, or of a whole block or module, is stored in at a width that a search
   * gives it: a sign takes one bit at every width. The width itself by default.
   */
  readonly storedBits?: StoredBits;
  /** Candidates that the data cannot tell apart. */
  readonly ties?: Ties | undefined;
  /** Plans compared item by item. */
  readonly differences?: Differences | undefined;
  /** Modelled energy of a plan, where selection weighs it. */
  readonly energyOf?: ((assignment: SearchStep['assignment']) => number) | undefined;
}

export type StoredBits = (unit: string, bits: number) => number;

/** The bits that a width is stored in, where that is another number. */
function storedApart(unit: string, bits: number, storedBits: StoredBits): { stored?: number } {
  const stored = storedBits(unit, bits);
  return stored === bits ? {} : { stored };
}

const asGiven: StoredBits = (_, bits) => bits;

type Extras = Readonly<Record<string, number>> | undefined;

/**
 * The plans that a search tried, as records. The interval is taken from the evaluation's extras `low` and
 * `high`, beside the baseline `pairedLow` and `pairedHigh`, where the evaluator adds them.
 *
 * @param units all units of the search space, in network order.
 */
export function stepRecords(
  trace: readonly SearchStep[],
  units: readonly UnitInfo[],
  { task, model, storedBits = asGiven, ties, differences, energyOf }: Origin,
): StepRecord[] {
  const againstOf = (index: number): Pick<StepRecord, 'against'> => {
    const against = differences?.get(index) ?? [];
    return against.length === 0 ? {} : { against };
  };
  return trace.map((step) => ({
    task,
    model,
    step: step.index,
    stage: step.stage,
    unit: step.unit,
    ...(step.bits !== undefined && {
      bits: step.bits,
      ...storedApart(step.unit, step.bits, storedBits),
    }),
    ...measured(step),
    bytes: step.bytes,
    ...(energyOf && { energy: energyOf(step.assignment) }),
    accepted: step.accepted,
    reason: [step.reason, rungText(step), gateText(step)].filter(Boolean).join('; '),
    ...(ties?.has(step.index) && { ties: ties.get(step.index)! }),
    ...againstOf(step.index),
    units: units.map(({ id, block }) => ({
      block,
      part: id.slice(block.length + 1) || block,
      bits: storedBits(id, step.assignment.bitsOf(id)),
    })),
  }));
}

const ENDS = ['low', 'high', 'pairedLow', 'pairedHigh'] as const;

function measured({
  evaluation,
  rung,
}: SearchStep): Pick<StepRecord, 'metric' | 'exact' | 'sample' | (typeof ENDS)[number]> {
  if (evaluation.kind === 'verdict' && rung !== undefined) {
    const { items, of, estimate, low, high } = rung;
    return { metric: estimate, exact: false, sample: { items, of, low, high } };
  }
  if (evaluation.kind === 'verdict') return { metric: evaluation.bound, exact: false };
  return { metric: evaluation.metric, exact: true, ...pick(evaluation.extras, ENDS) };
}

/** The extras of the names given that are there and are numbers. */
function pick<K extends string>(extras: Extras, names: readonly K[]): Partial<Record<K, number>> {
  const picked: Partial<Record<K, number>> = {};
  for (const name of names) {
    const value = extras?.[name];
    if (value !== undefined && Number.isFinite(value)) picked[name] = value;
  }
  return picked;
}

export function limitsRecord({ quality, maxBytes }: Limits): LimitsRecord {
  return { loss: quality.allowedLoss, bytes: maxBytes };
}

/**
 * The rows of one level of a sensitivity table. Of the extras, `low`, `high`, `pairedLow`, `pairedHigh`,
 * `klDivergence` (nats), `flipRate` ([0, 1]), `sqnr` (dB) and `membraneDrift` are taken over where they are.
 */
export function sensitivityRecords(
  table: SensitivityTable,
  level: Level,
  { task, model, storedBits = asGiven }: Origin,
): SensitivityRecord[] {
  return table.rows
    .filter((row) => row.level === level)
    .map(({ unit, bits, metric, extras }) => ({
      task,
      model,
      unit,
      bits,
      ...storedApart(unit, bits, storedBits),
      metric,
      ...pick(extras, [...ENDS, 'klDivergence', 'flipRate', 'sqnr', 'membraneDrift']),
    }));
}

/** Bits of a value that stays in float32. */
const FLOAT_BITS = 32;

/**
 * Every parameter in use, for the picture of the hierarchy. Vectors, which stay in float32, are taken
 * together: 'vectors' of a module, 'norms' of a block.
 *
 * @param bitsOf bits that a plan gives the matrix at a path; left out where there is no plan.
 */
export function matrixRecords(
  hierarchy: Hierarchy,
  bitsOf?: (path: string) => number,
): MatrixRecord[] {
  type Place = Pick<MatrixRecord, 'block' | 'module' | 'matrix'>;
  const rest = (place: Place, own: readonly Vector[]): MatrixRecord[] => {
    const parameters = own.reduce((sum, vector) => sum + vector.parameters, 0);
    const bits = bitsOf === undefined ? {} : { bits: FLOAT_BITS };
    return own.length === 0 ? [] : [{ ...place, parameters, ...bits }];
  };
  return hierarchy.blocks.flatMap(({ block, modules, vectors }) => [
    ...modules.flatMap(({ module, matrices, vectors: own }) => [
      ...matrices.map(({ matrix, path, parameters }) => ({
        ...{ block, module, matrix, parameters },
        ...(bitsOf !== undefined && { bits: bitsOf(path) }),
      })),
      ...rest({ block, module, matrix: 'vectors' }, own),
    ]),
    ...rest({ block, module: 'norms', matrix: 'norms' }, vectors),
  ]);
}
