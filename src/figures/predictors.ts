import type { PredictorComparison, PredictorName } from '../experiment/observe/predictors.js';
import type { ChartSpec } from '../plots/parts/spec.js';
import { predictorsChart } from '../plots/predictors/chart.js';
import type { PredictorRecord } from '../plots/records.js';
import type { SensitivityTable } from '../search/sensitivity.js';
import { BYTES_PER_MB } from '../util/format.js';
import { baselineRecord, dataNames, subjectOf, type FigureSubject } from './study-figures.js';

/** Predictors for people. */
export const PREDICTOR_TITLES: Readonly<Record<PredictorName, string>> = {
  loss: 'measured loss',
  kl: 'KL divergence',
  flips: 'spike flips',
  drift: 'membrane drift',
  sqnr: 'SQNR',
  fisher: 'Fisher, by gradients',
};

/** The bytes that plans of predictors had to keep. */
export function predictorQuestion({ level, uniformBits, maxBytes }: PredictorComparison): string {
  const bytes = (maxBytes / BYTES_PER_MB).toFixed(2);
  return `a ${level} at a time; plans within ${bytes} MB, those of ${uniformBits} bits everywhere`;
}

/**
 * Figures of a sweep as predictors of the loss beside each other: rank correlation, price, and the plan each leads to.
 *
 * @param table that they were compared on
 */
export function predictorsFigure(
  study: FigureSubject,
  table: Pick<SensitivityTable, 'baseline' | 'fp32Bytes'>,
  comparison: PredictorComparison,
): ChartSpec {
  const records = comparison.results.map(
    ({ predictor, rank, cost, metric, pairedLow, pairedHigh, bytes }): PredictorRecord => ({
      ...subjectOf(study),
      ...{ predictor: PREDICTOR_TITLES[predictor], cost, metric, bytes },
      ...(rank !== undefined && { rank }),
      ...(pairedLow !== undefined && { pairedLow }),
      ...(pairedHigh !== undefined && { pairedHigh }),
    }),
  );
  const baseline = baselineRecord(study, table.baseline, table.fp32Bytes);
  return predictorsChart(records, baseline, predictorQuestion(comparison), dataNames(study.task));
}
