import type { CasesRun } from '../experiment/cases-run.js';
import type { SearchRun } from '../experiment/search-run.js';
import type { Study } from '../experiment/study.js';
import type { Candidate } from '../search/trace.js';
import type { Metric } from '../tasks/task.js';
import { BYTES_PER_MB } from '../util/bytes.js';
import { comparisonCells, comparisonTitles, formatInterval, formatMetric } from './metric.js';
import { formatPercent } from './numbers.js';
import { describeLimits } from './search-text.js';
import type { Column } from './table.js';

/** The flow over all cases for one bundled model. */
export interface DemoSearch extends CasesRun {
  readonly study: Study;
}

const NOTHING = 'no plan keeps both limits';

const megabytes = (bytes: number): string => `${(bytes / BYTES_PER_MB).toFixed(2)} MB`;

/** Limits of each case, and what its search found: on the data searched on, and judged. */
export function judgedColumns(metric: Metric): Column[] {
  const { change, certainty } = comparisonTitles(metric);
  const right = [`${metric}, search`, 'memory', 'saving', `${metric}, held out`, 'fp32'];
  return [
    { title: 'case' },
    { title: 'limits' },
    ...[...right, change, certainty].map((title) => ({ title, align: 'right' as const })),
  ];
}

export function judgedRow(run: SearchRun, metric: Metric): string[] {
  const { settings, outcome, selected, heldOut } = run;
  const { limits, fp32Bytes } = outcome;
  const head = [settings.case ?? '', describeLimits(limits, fp32Bytes)];
  if (selected === undefined) return [...head, NOTHING, '', '', '', '', '', ''];
  const { candidate } = selected;
  const own = [
    formatMetric(metric, candidate.metric),
    megabytes(candidate.bytes),
    formatPercent(1 - candidate.bytes / fp32Bytes),
  ];
  if (heldOut === undefined) return [...head, ...own, '', '', '', ''];
  const { baseline, quantized, comparison } = heldOut;
  const { change, certainty } = comparisonCells(comparison);
  return [
    ...head,
    ...own,
    `${formatMetric(metric, quantized.value)} (${formatInterval(metric, quantized.interval)})`,
    formatMetric(metric, baseline.value),
    change,
    certainty,
  ];
}

/** What the weights select in each case: a line a plan. */
export function selectionColumns(metric: Metric): Column[] {
  return [
    { title: 'case' },
    ...['λ', metric, 'memory', 'saving', 'plan'].map((title) => ({
      title,
      align: 'right' as const,
    })),
  ];
}

export function selectionRows(run: SearchRun, metric: Metric): string[][] {
  const { settings, selections, outcome, selected } = run;
  const plans = [...new Set(selections.map(({ candidate }) => candidate))];
  const weightsOf = (plan: Candidate): string =>
    selections
      .filter(({ candidate }) => candidate === plan)
      .map(({ lambda }) => (lambda === selected?.lambda ? `${lambda}*` : String(lambda)))
      .join(' ');
  return plans.map((candidate) => [
    settings.case ?? '',
    weightsOf(candidate),
    formatMetric(metric, candidate.metric),
    megabytes(candidate.bytes),
    formatPercent(1 - candidate.bytes / outcome.fp32Bytes),
    `step ${candidate.step + 1}`,
  ]);
}

/** Blocks down, bit widths across. */
export function sensitivityGrid(
  { sweep: { table } }: CasesRun,
  metric: Metric,
): { columns: Column[]; rows: string[][] } {
  const units = [...new Set(table.rows.map(({ unit }) => unit))];
  const widths = [...new Set(table.rows.map(({ bits }) => bits))];
  return {
    columns: [
      { title: 'block alone' },
      ...widths.map((bits) => ({ title: `${bits} bits`, align: 'right' as const })),
    ],
    rows: units.map((unit) => [
      unit,
      ...widths.map((bits) => {
        const row = table.rows.find((one) => one.unit === unit && one.bits === bits)!;
        return Number.isNaN(row.metric) ? 'broken' : formatMetric(metric, row.metric);
      }),
    ]),
  };
}
