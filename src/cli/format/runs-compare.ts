import type { CandidatesJson } from '../../experiment/record/run-files.js';
import type { RunJson } from '../../experiment/record/run-record.js';
import type { YardstickPoint } from '../../experiment/runs/yardsticks.js';
import { paretoFront } from '../../search/pareto.js';
import { formatBytes } from '../../util/format.js';
import { UsageError } from '../../util/errors.js';
import { canonicalJson, type Json } from '../../util/json.js';
import { formatMetric } from './metric.js';
import { formatCount, formatDuration, formatPercent } from '../../util/format.js';
import { formatTable } from './table.js';

/** A finished search as its folder has it. */
export interface SavedSearch {
  readonly json: RunJson;
  readonly kept: CandidatesJson;
}

/** What of a search's `run.json` is compared. */
interface Figures {
  readonly config: {
    readonly model: { readonly sha256: string };
    readonly search: { readonly id: string };
    readonly settings: Readonly<Record<string, Json>>;
  };
  readonly result: {
    readonly evaluations: { readonly table: number; readonly search: number };
    readonly selected?: { readonly metric: number; readonly bytes: number };
    readonly smallest?: { readonly metric: number; readonly bytes: number };
    readonly heldOut?: {
      readonly baseline: { readonly value: number };
      readonly quantized: { readonly value: number };
    };
    readonly yardsticks: readonly YardstickPoint[];
  };
  readonly work: {
    readonly measured: number;
    readonly stopped: number;
    readonly remembered: number;
    readonly seconds: number;
    readonly fullEvaluations: { readonly computed: number };
  };
}

/** A plan of the common table. */
interface Entry {
  readonly from: string;
  readonly plan: string;
  readonly metric: number;
  readonly bytes: number;
  readonly onFront: boolean;
}

/**
 * Searches side by side, and all their fronts in one table with the plans of no search.
 *
 * @throws {UsageError} for fewer than two, or searches of different models or data.
 */
export function compareRuns(searches: readonly SavedSearch[]): { value: object; text: string } {
  const figures = searches.map(({ json }) => json as unknown as Figures);
  requireComparable(searches, figures);
  const names = searches.map(({ json }) => json.id);
  const [{ metric, fp32Bytes }] = searches.map(({ kept }) => kept);
  const settings = differingSettings(figures);
  const entries = commonTable(searches, figures);
  const show = (point: { metric: number; bytes: number } | undefined): string =>
    point === undefined
      ? 'none'
      : `${formatMetric(metric, point.metric)}, ${formatBytes(point.bytes)} (−${formatPercent(1 - point.bytes / fp32Bytes)})`;
  const rows: string[][] = [
    ...settings.map(({ name, values }) => [name, ...values]),
    row(
      'evaluations',
      ({
        result: {
          evaluations: { table, search },
        },
      }) =>
        table === 0 ? formatCount(search) : `${formatCount(search)} + ${formatCount(table)} table`,
    ),
    row(
      'measured',
      ({ work: { measured, stopped, remembered } }) =>
        `${measured} whole, ${stopped} stopped, ${remembered} known`,
    ),
    row('computed', ({ work }) => `${work.fullEvaluations.computed.toFixed(1)} evaluations’ worth`),
    row('time', ({ work }) => formatDuration(work.seconds)),
    row('selected', ({ result }) => show(result.selected)),
    row('smallest', ({ result }) => show(result.smallest)),
    row('held out', ({ result: { heldOut } }) =>
      heldOut === undefined
        ? 'not judged'
        : `${formatMetric(metric, heldOut.quantized.value)} (fp32 ${formatMetric(metric, heldOut.baseline.value)})`,
    ),
  ];
  const sideBySide = formatTable([{ title: '' }, ...names.map((name) => ({ title: name }))], rows);
  const fronts = formatTable(
    [
      { title: 'memory', align: 'right' },
      { title: 'saving', align: 'right' },
      { title: metric, align: 'right' },
      { title: 'front' },
      { title: 'plan' },
      { title: 'of' },
    ],
    entries.map((entry) => [
      formatBytes(entry.bytes),
      formatPercent(1 - entry.bytes / fp32Bytes),
      Number.isFinite(entry.metric) ? formatMetric(metric, entry.metric) : 'broken',
      entry.onFront ? '*' : '',
      entry.plan,
      entry.from,
    ]),
  );
  const value = {
    runs: figures.map(({ config, result, work }, index) => ({
      id: names[index],
      settings: config.settings,
      evaluations: result.evaluations,
      selected: result.selected ?? null,
      smallest: result.smallest ?? null,
      heldOut: result.heldOut ?? null,
      work,
    })),
    plans: entries,
  };
  const legend = 'Pareto fronts of all, and plans of no search (* beaten by none of them):';
  return { value, text: `${sideBySide}\n\n${legend}\n${fronts}` };

  function row(name: string, cell: (run: Figures) => string): string[] {
    return [name, ...figures.map(cell)];
  }
}

function requireComparable(searches: readonly SavedSearch[], figures: readonly Figures[]): void {
  const subjects = figures.map(({ config: { model, search } }) => `${model.sha256} ${search.id}`);
  const odd = subjects.findIndex((subject) => subject !== subjects[0]);
  if (searches.length < 2 || odd > 0)
    throw new UsageError({
      what: odd > 0 ? 'the runs are of different models or data' : 'nothing to compare with',
      where: odd > 0 ? searches[odd].json.id : 'runs compare',
      got: odd > 0 ? 'another model, or other data' : 'one run',
      expected: 'two or more searches of one model on the same data',
    });
}

function differingSettings(figures: readonly Figures[]): { name: string; values: string[] }[] {
  const names = new Set(figures.flatMap(({ config }) => Object.keys(config.settings)));
  return [...names]
    .map((name) => ({
      name,
      values: figures.map(({ config }) =>
        name in config.settings ? shortJson(config.settings[name]) : '',
      ),
    }))
    .filter(({ values }) => new Set(values).size > 1);
}

function shortJson(value: Json): string {
  return typeof value === 'string' ? value : canonicalJson(value);
}

/** The fronts, uniform and random plans, by rising size; each plan once a run. */
function commonTable(searches: readonly SavedSearch[], figures: readonly Figures[]): Entry[] {
  const { metric } = searches[0].kept;
  const points = searches.flatMap(({ json: { id }, kept }, index) => [
    ...paretoFront(kept.candidates, metric).map(({ metric: value, bytes, plan }) => ({
      from: id,
      metric: value,
      bytes,
      plan,
    })),
    ...figures[index].result.yardsticks.map(({ kind, name, metric: value, bytes, plan }) => ({
      from: kind === 'uniform' ? `uniform, ${name}` : `random, size of ${id}`,
      // JSON has no NaN.
      metric: (value as number | null) ?? NaN,
      bytes,
      plan,
    })),
  ]);
  const distinct = [
    ...new Map(points.map((point) => [`${point.from} ${point.plan}`, point])).values(),
  ];
  const front = new Set(
    paretoFront(distinct, metric).map(({ bytes, metric: value }) => `${bytes} ${value}`),
  );
  return distinct
    .map((point) => ({
      ...point,
      onFront: front.has(`${point.bytes} ${point.metric}`),
    }))
    .sort((a, b) => a.bytes - b.bytes);
}
