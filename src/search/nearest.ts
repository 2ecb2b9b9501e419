import { SearchError } from '../util/errors.js';
import { formatBytes } from '../util/format.js';
import { lossUnder, meetsLimit, type Limits } from './constraints.js';
import type { Evaluation, ExactEvaluation } from './evaluation.js';
import { Assignment, type SearchSpace } from './space.js';

/** The plan that comes closest to limits that no plan tried keeps. */
export interface NearestPlan {
  readonly assignment: Assignment;
  readonly metric: number;
  readonly bytes: number;
  readonly misses: Misses;
}

/** The amounts by which limits are missed; 0 where they are kept. */
export interface Misses {
  /** In the metric's unit: accuracy points over 1, or perplexity. */
  readonly quality: number;
  readonly bytes: number;
}

/** Nothing keeps both limits. Everything measured is in the trace; the nearest plan is here. */
export class UnmetConstraintsError extends SearchError {
  constructor(readonly nearest: NearestPlan) {
    const { quality, bytes } = nearest.misses;
    super({
      what: 'no quantized plan that was tried keeps both limits',
      where: 'search',
      got:
        quality === 0 && bytes === 0
          ? 'only the unquantized model, which keeps both'
          : `nearest: ${nearest.assignment.key}, which misses the quality limit by ` +
            `${Number(quality.toPrecision(4))} and the memory limit by ${bytes} bytes`,
      expected: 'a larger loss or footprint to be allowed, or other bit widths',
    });
  }
}

/** A memory limit that not even every unit at the fewest bits keeps: known before anything is measured. */
export class UnreachableMemoryError extends SearchError {
  constructor(
    readonly smallestBytes: number,
    readonly maxBytes: number,
    fewestBits: number,
  ) {
    super({
      what: 'no plan is as small as that',
      where: 'memory limit',
      got: `at most ${formatBytes(maxBytes)}`,
      expected:
        `${formatBytes(smallestBytes)} or more, which every unit at ${fewestBits} bits takes; ` +
        'or fewer bits among those to try',
    });
  }
}

/**
 * Refuses a memory limit below the smallest plan of a search.
 *
 * @param bits the precision list.
 * @throws {UnreachableMemoryError}
 */
export function requireReachable(
  space: SearchSpace,
  bits: readonly number[],
  maxBytes: number,
): void {
  const fewest = Math.min(...bits);
  const units = space.units.map(({ id }) => id);
  const smallest = space.bytes(Assignment.unquantized.with(units, fewest));
  if (smallest > maxBytes) throw new UnreachableMemoryError(smallest, maxBytes, fewest);
}

/** A plan that was tried. */
export interface Tried {
  readonly assignment: Assignment;
  readonly bytes: number;
  readonly evaluation: Evaluation;
}

/**
 * The plan with the smallest distance to the limits: the quality missed as a share of the baseline's
 * metric, plus the bytes missed as a share of the unquantized footprint. Of equal distances the first in
 * order. A plan known by a verdict alone is measured when its bound says it could be the nearest, so the
 * answer is the same whether evaluations stopped early or not.
 *
 * @param tried at least one with a number for a metric (the unquantized model).
 * @param measure gives the metric of a plan known by a verdict.
 */
export async function nearestPlan(
  tried: readonly Tried[],
  limits: Limits,
  fp32Bytes: number,
  measure: (assignment: Assignment) => Promise<ExactEvaluation>,
): Promise<NearestPlan> {
  const { baseline, allowedLoss } = limits.quality;
  const missesOf = (bytes: number, value: number): Misses => ({
    quality: meetsLimit(limits.quality, value) ? 0 : lossUnder(limits.quality, value) - allowedLoss,
    bytes: Math.max(0, bytes - limits.maxBytes),
  });
  const distance = ({ quality, bytes }: Misses): number => {
    const far = quality / (Math.abs(baseline) || 1) + bytes / fp32Bytes;
    return Number.isNaN(far) ? Infinity : far;
  };
  // A bound is the best the metric can be, so a distance from it is the least the plan can have. A pass
  // misses no quality whatever its metric.
  const open = tried.map((plan) => {
    const { bytes, evaluation } = plan;
    const value = evaluation.kind === 'exact' ? evaluation.metric : evaluation.bound;
    return { ...plan, least: distance(missesOf(bytes, value)) };
  });
  for (;;) {
    const nearest = open.reduce((a, b) => (b.least < a.least ? b : a));
    const { evaluation, assignment, bytes } = nearest;
    if (evaluation.kind === 'exact') {
      const { metric } = evaluation;
      return { assignment, bytes, metric, misses: missesOf(bytes, metric) };
    }
    const measured = await measure(assignment);
    nearest.evaluation = measured;
    nearest.least = distance(missesOf(bytes, measured.metric));
  }
}
