import type { SensitivityTable } from '../../search/sensitivity.js';
import type { StoredBits } from '../../figures/records.js';
import type { Level } from '../../search/space.js';
import type { Candidate } from '../../search/trace.js';
import type { MetricName } from '../../tasks/metrics/metrics.js';
import { metricOf } from '../../tasks/metrics/metrics.js';
import { BYTES_PER_MB, formatBytes } from '../../util/format.js';
import type { Limits } from '../../search/constraints.js';
import { formatInterval, formatMetric } from '../../tasks/metrics/metrics.js';
import { formatPercent } from '../../util/format.js';
import type { Column } from './table.js';
import type { SearchResult } from '../../experiment/runs/search-result.js';

const NOTHING = 'no plan keeps both limits';

const megabytes = (bytes: number): string => `${(bytes / BYTES_PER_MB).toFixed(2)} MB`;

/** Limits of each case, and what its search found: on the data searched on, and judged. */
export function judgedColumns(metric: MetricName): Column[] {
  const { change, certainty } = metricOf(metric).comparison;
  const right = [`${metric}, search`, 'memory', 'saving', `${metric}, held out`, 'fp32'];
  return [
    { title: 'case' },
    { title: 'limits' },
    ...[...right, change, certainty].map((title) => ({ title, align: 'right' as const })),
  ];
}

export function judgedRow(run: SearchResult, metric: MetricName): string[] {
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
  const { change, certainty } = metricOf(comparison.metric).compared(comparison);
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
export function selectionColumns(metric: MetricName): Column[] {
  return [
    { title: 'case' },
    ...['λ', metric, 'memory', 'saving', 'plan'].map((title) => ({
      title,
      align: 'right' as const,
    })),
  ];
}

export function selectionRows(run: SearchResult, metric: MetricName): string[][] {
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

/** Columns of {@link yardstickRows}. */
export function yardstickColumns(metric: MetricName): Column[] {
  return [
    { title: 'plan' },
    ...[metric, '95 % interval', 'memory', 'saving'].map((title) => ({
      title,
      align: 'right' as const,
    })),
  ];
}

/** A search's result beside plans of no search, by rising size. */
export function yardstickRows(
  { selected, smallest, yardsticks, outcome }: YardstickInput,
  metric: MetricName,
): string[][] {
  const own = [
    ...(selected ? [{ name: 'selected plan *', point: selected.candidate }] : []),
    ...(smallest && smallest !== selected?.candidate
      ? [{ name: 'smallest candidate', point: smallest }]
      : []),
  ];
  return [...own, ...yardsticks.map((point) => ({ name: point.name, point }))]
    .sort((a, b) => a.point.bytes - b.point.bytes)
    .map(({ name, point }) => [name, ...scoreCells(point, metric, outcome.fp32Bytes)]);
}

/** Units of a level down, bit widths across; a unit whose width is not what is stored says so. */
export function sensitivityGrid(
  { table, level, storedBits }: GridInput,
  metric: MetricName,
): { columns: Column[]; rows: string[][] } {
  const own = table.rows.filter((row) => row.level === level);
  const units = [...new Set(own.map(({ unit }) => unit))];
  const widths = [...new Set(own.map(({ bits }) => bits))];
  return {
    columns: [
      { title: `${level} alone` },
      ...widths.map((bits) => ({ title: `${bits} bits`, align: 'right' as const })),
    ],
    rows: units.map((unit) => [
      storedLabel(unit, widths, storedBits),
      ...widths.map((bits) => {
        const row = own.find((one) => one.unit === unit && one.bits === bits)!;
        return Number.isNaN(row.metric) ? 'broken' : formatMetric(metric, row.metric);
      }),
    ]),
  };
}

export interface GridInput {
  readonly table: SensitivityTable;
  readonly level: Level;
  readonly storedBits: StoredBits;
}

/** "attention.0"; "input (stored in 1 bit)" for what takes the same at every width. */
export function storedLabel(
  unit: string,
  widths: readonly number[],
  storedBits: StoredBits,
): string {
  const stored = new Set(widths.map((bits) => storedBits(unit, bits)));
  const [only] = stored;
  if (stored.size !== 1 || (widths.length === 1 && only === widths[0])) return unit;
  return `${unit} (stored in ${only} ${only === 1 ? 'bit' : 'bits'})`;
}

/** "accuracy at least 75.7 %, at most 6.82 MB (46.4 %)" */
export function describeLimits({ quality, maxBytes }: Limits, fp32Bytes: number): string {
  const { metric, baseline, allowedLoss } = quality;
  const { better, atLoss } = metricOf(metric);
  const side = better === 'higher' ? 'at least' : 'at most';
  const first = Number.isFinite(allowedLoss)
    ? `${metric} ${side} ${formatMetric(metric, atLoss(baseline, allowedLoss))}`
    : `any ${metric}`;
  const second = Number.isFinite(maxBytes)
    ? `at most ${formatBytes(maxBytes)} (${formatPercent(maxBytes / fp32Bytes)})`
    : 'any size';
  return `${first}, ${second}`;
}

interface Shown {
  readonly metric: number;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  readonly bytes: number;
}

/** MetricName, interval, memory and saving of a plan. */
export function scoreCells(
  point: Shown | Candidate,
  metric: MetricName,
  fp32Bytes: number,
): string[] {
  const { low, high } = 'extras' in point ? (point.extras ?? {}) : (point as Shown);
  const interval =
    low === undefined || high === undefined ? '' : formatInterval(metric, { low, high });
  return [
    Number.isNaN(point.metric) ? 'broken' : formatMetric(metric, point.metric),
    interval,
    formatBytes(point.bytes),
    formatPercent(1 - point.bytes / fp32Bytes),
  ];
}

type YardstickInput = Pick<SearchResult, 'selected' | 'smallest' | 'yardsticks'> & {
  readonly outcome: { readonly fp32Bytes: number };
};
