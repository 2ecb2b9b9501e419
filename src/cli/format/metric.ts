import type { PairedComparison } from '../../tasks/statistics/paired.js';
import type { Interval, Measurement, Metric } from '../../tasks/task.js';
import { formatCount, formatFixed, formatSigned } from '../../util/format.js';

/** "77.6 %" or "39.13"; a hopeless perplexity loses its decimals, then its digits. */
export function formatMetric(metric: Metric, value: number): string {
  return metric === 'accuracy' ? `${(100 * value).toFixed(1)} %` : formatPerplexity(value);
}

function formatPerplexity(value: number): string {
  if (value < 1000) return value.toFixed(2);
  return value < 1e6 ? value.toFixed(0) : value.toExponential(1);
}

/** "74.9–80.1 %" or "72.5–82.5" */
export function formatInterval(metric: Metric, { low, high }: Interval): string {
  if (metric === 'accuracy') return `${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)} %`;
  // Its ends deserve a digit less than the value.
  const end = (value: number): string =>
    value >= 10 && value < 1000 ? value.toFixed(1) : formatPerplexity(value);
  return `${end(low)}–${end(high)}`;
}

/** "77.6 % (776 of 1,000; 95 % interval 74.9–80.1 %)" */
export function formatMeasurement(measurement: Measurement): string {
  const { metric, value, interval } = measurement;
  const counted =
    measurement.metric === 'accuracy'
      ? `${formatCount(measurement.correct.filter(Boolean).length)} of ${formatCount(measurement.items)}; `
      : '';
  return `${formatMetric(metric, value)} (${counted}95 % interval ${formatInterval(metric, interval)})`;
}

/** What a paired comparison says, in two cells: how much changed, and how sure that is. */
export interface ComparisonCells {
  readonly change: string;
  readonly certainty: string;
}

/** For the baseline, which is compared with nothing, and for a model that broke. */
export const NO_COMPARISON: ComparisonCells = { change: '', certainty: '' };

/** Titles of {@link ComparisonCells}. */
export function comparisonTitles(metric: Metric): ComparisonCells {
  return metric === 'accuracy'
    ? { change: 'change, points', certainty: 'McNemar p' }
    : { change: 'change, nats/token', certainty: '± SE' };
}

export function comparisonCells(comparison: PairedComparison): ComparisonCells {
  if (comparison.metric === 'accuracy') {
    const { difference, pValue } = comparison;
    return { change: formatSigned(100 * difference, 1), certainty: formatProbability(pValue) };
  }
  const { difference, standardError } = comparison;
  return {
    change: formatSigned(difference, 4),
    certainty: standardError === undefined ? '–' : formatFixed(standardError, 4),
  };
}

/** "0.43", "0.012", "< 0.001" */
export function formatProbability(p: number): string {
  if (p < 0.001) return '< 0.001';
  return p < 0.1 ? p.toFixed(3) : p.toFixed(2);
}
