import type { ItemLosses } from '../../tasks/metrics/metric.js';
import { metricOf, type Measurement } from '../../tasks/metrics/metrics.js';
import { SearchError } from '../../util/errors.js';
import { meetsLimit, type MetricLimit } from '../constraints.js';
import type { VerdictEvaluation } from '../evaluation.js';
import { drawError, meanInterval, sideOf } from './betting.js';
import type { RungDecision } from './rungs.js';

/** Scores of a plan on the items drawn so far, in the order they were drawn. */
export interface RungScores {
  readonly items: readonly number[];
  readonly values: readonly number[];
}

/** A verdict from a rung, and how it came about. */
export type RungVerdict = VerdictEvaluation & { readonly rung: RungDecision };

/**
 * Losses item by item of a metric.
 *
 * @throws {SearchError} for a metric that is no mean over items: samples say nothing certain of it.
 */
export function itemLosses(baseline: Measurement): ItemLosses<Measurement> {
  const { byItem, name } = metricOf(baseline.metric);
  if (byItem !== undefined) return byItem;
  throw new SearchError({
    what: 'the metric is no mean over items: samples cannot decide on it',
    where: 'ladder',
    got: name,
    expected: 'accuracy or perplexity, or a search without a ladder',
  });
}

/**
 * The side of a limit that a plan is on, from its scores on a sample of the items and another plan's on all. Paired losses are bet on in the order they were drawn (`sideOf`), against the mean loss that just keeps
 * the limit on the whole data.
 *
 * @param anchor the other plan; the closer it is, the smaller the sample that tells.
 * @param level probability of a wrong side at most, over all rungs of this plan.
 * @param last true on the largest rung: then the estimate decides what is not clear.
 * @returns undefined where it is not clear and there are larger rungs.
 */
export function decideOnRung(
  anchor: Measurement,
  { items, values }: RungScores,
  limit: MetricLimit,
  level: number,
  last: boolean,
): RungVerdict | undefined {
  const byItem = itemLosses(anchor);
  const valueAt = (mean: number): number => byItem.valueAt(anchor, mean);
  const draw = {
    values: byItem.losses(anchor, items, values),
    size: anchor.items,
    bound: byItem.bound,
  };
  const { atLoss } = metricOf(anchor.metric);
  const limitValue = atLoss(limit.baseline, limit.allowedLoss);
  const limited = Number.isFinite(limit.allowedLoss);
  const limitMean = limited ? byItem.meanAt(anchor, limitValue) : Infinity;
  const side = limited ? sideOf(draw, limitMean, level) : 'below';
  if (side === undefined && !last) return undefined;
  const mean = draw.values.reduce((sum, value) => sum + value, 0) / items.length;
  const estimate = valueAt(mean);
  const passes = side === undefined ? meetsLimit(limit, estimate) : side === 'below';
  const { low, high } = meanInterval(draw, level);
  const ends = [valueAt(low), valueAt(high)].sort((a, b) => a - b);
  const error = drawError(draw);
  const rung: RungDecision = {
    items: items.length,
    of: anchor.items,
    level,
    estimate,
    // To first order.
    error: Math.abs(valueAt(mean + error) - valueAt(mean - error)) / 2,
    low: ends[0],
    high: ends[1],
    clear: side !== undefined,
  };
  const { worseThan } = metricOf(anchor.metric);
  if (!passes) return { kind: 'verdict', passes, bound: worseThan(limitValue, anchor), rung };
  // The worst that is not ruled out; where the rung does not tell, or has no end, the limit itself.
  const worst = Math.min(high, limitMean);
  return { kind: 'verdict', passes, bound: valueAt(worst), rung };
}
