import { SearchError } from '../util/errors.js';
import { lossUnder, meetsLimit, type Limits } from './constraints.js';
import type { Evaluation, ExactEvaluation } from './evaluation.js';
import type { Assignment } from './space.js';

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
