import type { SearchResult } from '../../experiment/runs/search-result.js';
import type { SearchSettings } from '../../experiment/runs/search-settings.js';
import type { YardstickPoint } from '../../experiment/runs/yardsticks.js';
import { speedsByPlan } from '../../experiment/scoring/speeds.js';
import type { StoredBits } from '../../figures/records.js';
import { planId } from '../../quant/plan.js';
import type { Limits } from '../../search/constraints.js';
import type { SensitivityRow, SensitivityTable } from '../../search/sensitivity.js';
import type { Level } from '../../search/space.js';
import type { Candidate } from '../../search/trace.js';
import {
  formatInterval,
  formatMetric,
  metricOf,
  type MetricName,
} from '../../tasks/metrics/metrics.js';
import { BYTES_PER_MB, formatBytes, formatPercent } from '../../util/format.js';
import { energyText, MODELLED_COLUMN } from './selection-text.js';
import { numberColumns, type Column, type Fact } from './table.js';
import { SPEED_COLUMN, speedCell, speedText } from './work-facts.js';

/** Limits of each case, and the result of its search: on the data searched on, and judged. */
export function judgedColumns(metric: MetricName): Column[] {
  const { change, certainty } = metricOf(metric).comparison;
  const measured = [`${metric}, search`, 'memory', 'saving', `${metric}, held out`, 'fp32'];
  return [{ title: 'case' }, { title: 'limits' }, ...numberColumns(...measured, change, certainty)];
}

export function judgedRow(run: SearchResult, metric: MetricName): string[] {
  const { settings, outcome, selected, heldOut } = run;
  const { limits, fp32Bytes } = outcome;
  const head = [settings.case ?? '', describeLimits(limits, fp32Bytes)];
  if (selected === undefined) return [...head, 'no plan keeps both limits', '', '', '', '', '', ''];
  const own = candidateCells(selected.candidate, metric, fp32Bytes);
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

/** Metric, memory and saving of a candidate. */
function candidateCells(found: Candidate, metric: MetricName, fp32Bytes: number): string[] {
  const memory = `${(found.bytes / BYTES_PER_MB).toFixed(2)} MB`;
  return [formatMetric(metric, found.metric), memory, formatPercent(1 - found.bytes / fp32Bytes)];
}

/** The plans that the weights select in each case: a line a plan. @param energy is a column too. */
export function selectionColumns(metric: MetricName, energy = false): Column[] {
  const third = energy ? [MODELLED_COLUMN] : [];
  return [
    { title: 'case' },
    ...numberColumns('λ', metric, 'memory', 'saving', ...third, SPEED_COLUMN, 'plan'),
  ];
}

/** True where a search of them weighed modelled energy. */
export function weighEnergy(runs: readonly Pick<SearchResult, 'settings'>[]): boolean {
  return runs.some(({ settings }) => (settings.energyWeight ?? 0) > 0);
}

export function selectionRows(run: SearchResult, metric: MetricName, energy = false): string[][] {
  const { settings, outcome, selected } = run;
  const shown = run.selections.some(({ lambda }) => lambda === selected?.lambda);
  // A run of an earlier version does not list its result's weight among the others.
  const selections = shown || !selected ? run.selections : [...run.selections, selected];
  const plans = [...new Set(selections.map(({ candidate }) => candidate))];
  const weightsOf = (plan: Candidate): string =>
    selections
      .filter(({ candidate }) => candidate === plan)
      .map(({ lambda }) => (lambda === selected?.lambda ? `${lambda}*` : String(lambda)))
      .join(' ');
  return plans.map((candidate) => [
    settings.case ?? '',
    weightsOf(candidate),
    ...candidateCells(candidate, metric, outcome.fp32Bytes),
    ...(energy ? [candidate.energy === undefined ? '' : energyText(candidate.energy)] : []),
    speedCell(run.report, run.space.resolve(candidate.assignment)),
    `step ${candidate.step + 1}`,
  ]);
}

/** Columns of {@link yardstickRows}. */
export function yardstickColumns(metric: MetricName): Column[] {
  return [
    { title: 'plan' },
    ...numberColumns(metric, '95 % interval', 'memory', 'saving', SPEED_COLUMN),
  ];
}

/** A search's result beside plans of no search, by rising size. */
export function yardstickRows(
  { selected, smallest, yardsticks, outcome, report, space }: YardstickInput,
  metric: MetricName,
): string[][] {
  const speeds = speedsByPlan(report.speeds);
  const idOf = (point: YardstickPoint | Candidate): string =>
    'plan' in point ? point.plan : planId(space.resolve(point.assignment));
  const own = [
    ...(selected ? [{ name: 'selected plan *', point: selected.candidate }] : []),
    ...(smallest && smallest !== selected?.candidate
      ? [{ name: 'smallest candidate', point: smallest }]
      : []),
  ];
  return [...own, ...yardsticks.map((point) => ({ name: point.name, point }))]
    .sort((a, b) => a.point.bytes - b.point.bytes)
    .map(({ name, point }) => [
      ...[name, ...scoreCells(point, metric, outcome.fp32Bytes)],
      speedText(speeds.get(idOf(point))),
    ]);
}

interface GridInput {
  readonly table: SensitivityTable;
  readonly level: Level;
  readonly storedBits: StoredBits;
}

interface Grid {
  readonly columns: Column[];
  readonly rows: string[][];
}

/** Units of a level down, bit widths across; a unit whose width is not what is stored says so. */
export function unitGrid(
  { table, level, storedBits }: GridInput,
  title: string,
  show: (row: SensitivityRow) => string,
): Grid {
  const own = table.rows.filter((row) => row.level === level);
  const units = [...new Set(own.map(({ unit }) => unit))];
  const widths = [...new Set(own.map(({ bits }) => bits))];
  return {
    columns: [{ title }, ...numberColumns(...widths.map((bits) => `${bits} bits`))],
    rows: units.map((unit) => [
      storedLabel(unit, widths, storedBits),
      ...widths.map((bits) => {
        const row = own.find((one) => one.unit === unit && one.bits === bits);
        return row === undefined ? '' : show(row);
      }),
    ]),
  };
}

/** {@link unitGrid} of the metric. */
export function sensitivityGrid(input: GridInput, metric: MetricName): Grid {
  return unitGrid(input, `${input.level} alone`, (row) => metricCell(metric, row.metric));
}

/** A plan's metric; "broken" where it has no number. */
export function metricCell(metric: MetricName, value: number): string {
  return Number.isNaN(value) ? 'broken' : formatMetric(metric, value);
}

/** "attention.0"; "input (stored in 1 bit)" for what takes the same at every width. */
function storedLabel(unit: string, widths: readonly number[], storedBits: StoredBits): string {
  const stored = new Set(widths.map((bits) => storedBits(unit, bits)));
  const [only] = stored;
  if (stored.size !== 1 || (widths.length === 1 && only === widths[0])) return unit;
  return `${unit} (stored in ${only} ${only === 1 ? 'bit' : 'bits'})`;
}

/** "accuracy at least 75.7 %, at most 6.82 MB (46.4 %)" */
/** The parameters that count as memory, where those are not the ones that the task needs. */
export function accountingFacts({ accounting }: Pick<SearchSettings, 'accounting'>): Fact[] {
  if (accounting !== 'all') return [];
  return [
    ['memory', 'all parameters of the file; an export leaves out those that the task does not use'],
  ];
}

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

/** Metric, interval, memory and saving of a plan. */
export function scoreCells(
  point: Shown | Candidate,
  metric: MetricName,
  fp32Bytes: number,
): string[] {
  const { low, high } = 'extras' in point ? (point.extras ?? {}) : (point as Shown);
  const interval =
    low === undefined || high === undefined ? '' : formatInterval(metric, { low, high });
  return [
    metricCell(metric, point.metric),
    interval,
    formatBytes(point.bytes),
    formatPercent(1 - point.bytes / fp32Bytes),
  ];
}

type YardstickInput = Pick<
  SearchResult,
  'selected' | 'smallest' | 'yardsticks' | 'report' | 'space'
> & {
  readonly outcome: { readonly fp32Bytes: number };
};
