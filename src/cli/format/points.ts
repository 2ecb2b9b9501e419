import type { UniformPoint } from '../../experiment/runs/uniform.js';
import type { Metric } from '../../tasks/task.js';
import { formatBytes } from '../../util/format.js';
import {
  comparisonCells,
  comparisonTitles,
  formatInterval,
  formatMetric,
  NO_COMPARISON,
} from './metric.js';
import { formatPercent } from '../../util/format.js';
import type { Column } from './table.js';

/** A measured plan, and what to call it. */
export interface PointRow {
  readonly label: string;
  readonly point: Pick<UniformPoint, 'measurement' | 'failure' | 'comparison' | 'bytes' | 'saving'>;
}

/** Metric, interval, memory, saving and the paired comparison: columns of the tables of results. */
export function pointColumns(label: string, metric: Metric): Column[] {
  const { change, certainty } = comparisonTitles(metric);
  const titles = [label, metric, '95 % interval', 'memory', 'saving', change, certainty];
  return titles.map((title) => ({ title, align: 'right' }));
}

export function pointCells({ label, point }: PointRow): string[] {
  const { measurement, comparison, bytes, saving } = point;
  const { change, certainty } = comparison ? comparisonCells(comparison) : NO_COMPARISON;
  const measured =
    measurement === undefined
      ? ['broken', '']
      : [
          formatMetric(measurement.metric, measurement.value),
          formatInterval(measurement.metric, measurement.interval),
        ];
  return [label, ...measured, formatBytes(bytes), formatPercent(saving), change, certainty];
}

/** "fp32" or "8" */
export function bitsLabel(bits: number): string {
  return bits === 32 ? 'fp32' : String(bits);
}
