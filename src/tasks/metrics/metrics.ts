import { DataError } from '../../util/errors.js';
import { ACCURACY, type AccuracyComparison, type AccuracyMeasurement } from './accuracy.js';
import { F1, MATTHEWS, type ConfusionComparison, type ConfusionMeasurement } from './confusion.js';
import type { Interval } from './intervals.js';
import type { Metric } from './metric.js';
import { PERPLEXITY, type PerplexityComparison, type PerplexityMeasurement } from './perplexity.js';

/** A value of any metric, with its interval and its items. */
export type Measurement = AccuracyMeasurement | PerplexityMeasurement | ConfusionMeasurement;
export type PairedComparison = AccuracyComparison | PerplexityComparison | ConfusionComparison;
export type MetricName = Measurement['metric'];

const METRICS = {
  accuracy: ACCURACY,
  perplexity: PERPLEXITY,
  f1: F1,
  matthews: MATTHEWS,
} as const;

/** Names of all metrics. */
export const METRIC_NAMES = Object.keys(METRICS) as MetricName[];

/** A metric by its name. */
export function metricOf(name: MetricName): Metric<Measurement, PairedComparison> {
  return METRICS[name];
}

/** "77.6 %" or "39.13" */
export function formatMetric(name: MetricName, value: number): string {
  return metricOf(name).format(value);
}

/** "74.9–80.1 %" or "72.5–82.5" */
export function formatInterval(name: MetricName, range: Pick<Interval, 'low' | 'high'>): string {
  return metricOf(name).formatRange(range);
}

/** "77.6 % (776 of 1,000; 95 % interval 74.9–80.1 %)" */
export function formatMeasurement(measurement: Measurement): string {
  const metric = metricOf(measurement.metric);
  const detail = metric.detail(measurement);
  const interval = metric.formatRange(measurement.interval);
  return `${metric.format(measurement.value)} (${detail && `${detail}; `}95 % interval ${interval})`;
}

/**
 * Compares two measurements of the same task, item by item: much sharper than comparing their
 * intervals, because both models find the same items hard.
 *
 * @throws {DataError} when they are not of the same task, metric and items.
 */
export function comparePaired(
  baseline: AccuracyMeasurement,
  other: AccuracyMeasurement,
): AccuracyComparison;
export function comparePaired(
  baseline: PerplexityMeasurement,
  other: PerplexityMeasurement,
): PerplexityComparison;
export function comparePaired(baseline: Measurement, other: Measurement): PairedComparison;
export function comparePaired(baseline: Measurement, other: Measurement): PairedComparison {
  requireSame('metric', baseline.metric, other.metric);
  requireSame('task', baseline.taskId, other.taskId);
  return metricOf(baseline.metric).compare(baseline, other);
}

function requireSame(what: string, baseline: string, other: string): void {
  if (baseline === other) return;
  throw new DataError({
    what: `measurements of different data cannot be paired: ${what}`,
    where: 'paired comparison',
    got: abridge(other),
    expected: `${abridge(baseline)}, as in the baseline`,
  });
}

function abridge(text: string): string {
  return text.length > 24 ? `${text.slice(0, 24)}…` : text;
}
