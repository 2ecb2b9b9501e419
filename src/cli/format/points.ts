import type { MeasuredValue } from '../../experiment/runs/held-out.js';
import type { UniformPoint } from '../../experiment/runs/uniform.js';
import type { ComparisonCells } from '../../tasks/metrics/metric.js';
import {
  formatInterval,
  formatMetric,
  metricOf,
  type MetricName,
} from '../../tasks/metrics/metrics.js';
import { formatBytes, formatPercent } from '../../util/format.js';
import { numberColumns, type Column } from './table.js';

/** Of the baseline, which is compared with nothing, and of a model that broke. */
const NO_COMPARISON: ComparisonCells = { change: '', certainty: '' };

/** A measured plan with its label. */
export interface PointRow {
  readonly label: string;
  readonly point: Pick<UniformPoint, 'failure' | 'comparison' | 'bytes' | 'saving'> & {
    readonly measurement?: MeasuredValue | undefined;
  };
}

/** Metric, interval, memory, saving and the paired comparison: columns of the tables of results. */
export function pointColumns(label: string, metric: MetricName): Column[] {
  const { change, certainty } = metricOf(metric).comparison;
  return numberColumns(label, metric, '95 % interval', 'memory', 'saving', change, certainty);
}

export function pointCells({ label, point }: PointRow, metric: MetricName): string[] {
  const { measurement, comparison, bytes, saving } = point;
  const { change, certainty } = comparison
    ? metricOf(comparison.metric).compared(comparison)
    : NO_COMPARISON;
  const measured =
    measurement === undefined
      ? ['broken', '']
      : [formatMetric(metric, measurement.value), formatInterval(metric, measurement.interval)];
  return [label, ...measured, formatBytes(bytes), formatPercent(saving), change, certainty];
}

/** "fp32" or "8" */
export function bitsLabel(bits: number): string {
  return bits === 32 ? 'fp32' : String(bits);
}
