import { comparePaired, metricOf, type Measurement } from './metrics.js';

/** The loss of one model against another on the same items, in the metric's own unit. */
export interface PairedLoss {
  /** Positive is worse. */
  readonly loss: number;
  /** From the items' own differences; undefined for a single item. */
  readonly standardError: number | undefined;
}

/** An upper bound of a loss on all data of the same kind, from a sample that no decision was made on. */
export interface LossCertificate {
  /** In the metric's own unit; may be negative. */
  readonly loss: number;
  /** Share of samples whose bound holds: 0.95, one-sided. */
  readonly level: number;
}

/**
 * Loss of `other` against `baseline`, and its standard error from paired items. A metric is a function of
 * averages over items; `influences` is what each item adds to it in linear approximation, so that the
 * difference varies as the sum of the items' differences: √(n/(n − 1)·Σ(uᵢ − vᵢ)²).
 *
 * @throws {DataError} as `comparePaired`.
 */
export function pairedLoss(baseline: Measurement, other: Measurement): PairedLoss {
  // For its checks: of the same task, metric and items.
  comparePaired(baseline, other);
  const metric = metricOf(baseline.metric);
  const [u, v] = [metric.influences(baseline), metric.influences(other)];
  const squares = u.reduce((sum, one, item) => sum + (one - v[item]) ** 2, 0);
  const items = u.length;
  return {
    loss: metric.lossOf(baseline.value, other.value),
    standardError: items < 2 ? undefined : Math.sqrt((items / (items - 1)) * squares),
  };
}

/** Ends of the value's 95 % interval if the baseline's were exact: from paired items. */
export interface PairedRange {
  readonly pairedLow: number;
  readonly pairedHigh: number;
}

/**
 * Range of a value beside a baseline that stays where it is: a 95 % interval of the paired loss, laid
 * around the baseline. It answers "worse than the baseline?"; the interval of the value alone does not.
 *
 * @returns undefined where there are too few items to say.
 * @throws {DataError} as `comparePaired`.
 */
export function pairedRange(baseline: Measurement, other: Measurement): PairedRange | undefined {
  const metric = metricOf(baseline.metric);
  const interval = metric.lossInterval(baseline, other, pairedLoss(baseline, other));
  if (interval === undefined) return undefined;
  // Not `atLoss`, which stops at values that a metric cannot have.
  const sign = metric.better === 'higher' ? -1 : 1;
  const ends = [interval.low, interval.high].map((loss) => baseline.value + sign * loss);
  return { pairedLow: Math.min(...ends), pairedHigh: Math.max(...ends) };
}

/**
 * The largest loss that paired items are compatible with: one-sided, 95 %.
 *
 * @returns undefined where there are too few items to say.
 * @throws {DataError} as `comparePaired`.
 */
export function certifyLoss(
  baseline: Measurement,
  other: Measurement,
): LossCertificate | undefined {
  const loss = metricOf(baseline.metric).lossBound(baseline, other, pairedLoss(baseline, other));
  return loss === undefined ? undefined : { loss, level: 0.95 };
}
