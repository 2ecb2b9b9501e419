import { metricOf, type MetricName } from '../../tasks/metrics/metrics.js';
import { requireThat } from '../require.js';
import type { Scored } from '../score.js';

/** Decisions from growing samples of the data; plain data. */
export interface LadderSettings {
  /**
   * Probability, over the draw of the samples, that any decision of the search that is called clear is not the
   * one that the whole data gives: at most this. In (0, 0.5].
   */
  readonly level: number;
  /** Of the order in which items are drawn. */
  readonly seed: number;
  /** Seconds that the run may take: the largest rung is chosen by it. Without it, the whole data. */
  readonly time?: number | undefined;
}

/** Settings of a ladder unless a caller says otherwise. */
export const DEFAULT_LADDER: LadderSettings = { level: 0.001, seed: 1 };

/** @throws {SearchError} for settings that make no sense. */
export function checkLadder({ level, time = Infinity }: LadderSettings): void {
  requireThat(level > 0 && level <= 0.5, 'not a level', 'level', level, 'above 0, at most 0.5');
  requireThat(time > 0, 'not a time', 'time', time, 'seconds, above 0');
}

/** The answer that a rung gave about one plan. */
export interface RungDecision {
  /** Items looked at, of so many. */
  readonly items: number;
  readonly of: number;
  /** Probability that this decision is wrong, at most: its share of the search's level. */
  readonly level: number;
  /** Id of the plan that it is held beside item by item; absent for the unquantized model. */
  readonly beside?: string;
  /** The metric as the rung has it: that plan's on all items, and the paired loss on these. */
  readonly estimate: number;
  /** Its standard error in the scale of the metric, from the items' paired losses. */
  readonly error: number;
  /** Ends of the metrics on all items that the rung does not rule out, at `level` a side. */
  readonly low: number;
  readonly high: number;
  /** False where even the largest rung does not tell: the estimate was taken. Always true of all items. */
  readonly clear: boolean;
}

/** The samples that a search decided from. */
export interface LadderUsed {
  /** Probability that any decision called clear is wrong, at most. */
  readonly level: number;
  readonly seed: number;
  /** Decisions that share the level: the most that the search could make. */
  readonly decisions: number;
  /** Items of the rungs that could be used, the last one the largest. */
  readonly rungs: readonly number[];
  /** Items of the whole. */
  readonly all: number;
}

/** Fewest items of a rung: fewer say little of the spread of the rest. */
export const FEWEST_ITEMS = 32;

/** From a rung to the next one: looks cost no certainty, and a finer ladder goes less too far. */
const RATIO = Math.SQRT2;

/** Items of each rung, rising by √2 to all of them; at least one rung. */
export function rungSizes(items: number): number[] {
  const sizes = [items];
  while (sizes[0] / RATIO >= FEWEST_ITEMS) sizes.unshift(Math.ceil(sizes[0] / RATIO));
  return sizes;
}

/** A plan as the choice of those to measure on all items knows it. */
export interface Estimated extends Scored {
  /** Standard error of `metric`; 0 where it was measured on all items. */
  readonly error: number;
}

/**
 * The plans that may be on the Pareto front: each that no smaller one is as good as. Going up in bytes, one is
 * taken that is better than the best so far by more than the standard error of their difference, as if they were
 * independent; a difference below that is what chance alone gives.
 */
export function frontOfEstimates<T extends Estimated>(
  plans: readonly T[],
  metric: MetricName,
): T[] {
  const { goodness } = metricOf(metric);
  const rising = [...plans].sort(
    (a, b) => a.bytes - b.bytes || goodness(b.metric) - goodness(a.metric),
  );
  const front: T[] = [];
  for (const plan of rising) {
    const best = front.at(-1);
    const better = best === undefined ? Infinity : goodness(plan.metric) - goodness(best.metric);
    if (better > Math.hypot(plan.error, best?.error ?? 0)) front.push(plan);
  }
  return front;
}
