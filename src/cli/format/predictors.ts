import type { PredictorComparison } from '../../experiment/observe/predictors.js';
import { PREDICTOR_TITLES, predictorQuestion } from '../../figures/predictors.js';
import { formatInterval, formatMetric, type MetricName } from '../../tasks/metrics/metrics.js';
import { BYTES_PER_MB } from '../../util/format.js';
import { numberColumns, type Column } from './table.js';

/** The question that the table answers. */
export function predictorCaption(comparison: PredictorComparison): string {
  return `What predicts the loss of a unit, and the plan of a knapsack by it: ${predictorQuestion(comparison)}`;
}

/** A predictor a line: rank correlation with the measured loss, price, and its plan as it was measured. */
export function predictorGrid(
  { results }: PredictorComparison,
  metric: MetricName,
): { readonly columns: Column[]; readonly rows: string[][] } {
  return {
    columns: [
      { title: 'predictor' },
      ...numberColumns('rank correlation', 'rows', 'evaluations', `${metric} of its plan`),
      ...numberColumns('95 %, paired', 'memory'),
    ],
    rows: results.map((result) => {
      const { predictor, rank, rows, cost, bytes, pairedLow: low, pairedHigh: high } = result;
      return [
        PREDICTOR_TITLES[predictor],
        rank?.toFixed(2) ?? '—',
        String(rows),
        Number.isInteger(cost) ? String(cost) : cost.toFixed(1),
        Number.isNaN(result.metric) ? 'broken' : formatMetric(metric, result.metric),
        low === undefined || high === undefined ? '—' : formatInterval(metric, { low, high }),
        `${(bytes / BYTES_PER_MB).toFixed(2)} MB`,
      ];
    }),
  };
}
