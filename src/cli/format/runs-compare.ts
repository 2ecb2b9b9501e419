import type { SavedSearch } from '../../experiment/record/saved-search.js';
import { candidateJson } from '../../experiment/record/search-files.js';
import { planId } from '../../quant/plan.js';
import { paretoFront } from '../../search/pareto.js';
import { formatMetric } from '../../tasks/metrics/metrics.js';
import { DataError, UsageError } from '../../util/errors.js';
import { formatBytes, formatCount, formatDuration, formatPercent } from '../../util/format.js';
import { canonicalJson, type Json } from '../../util/json.js';
import { formatTable, numberColumns } from './table.js';

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
 * @throws {UsageError} for fewer than two. {DataError} for searches of different models or data.
 */
export function compareRuns(searches: readonly SavedSearch[]): { value: object; text: string } {
  requireComparable(searches);
  const [{ fp32Bytes, limits }] = searches.map(({ outcome }) => outcome);
  const { metric } = limits.quality;
  const entries = commonTable(searches);
  const show = (point: { metric: number; bytes: number } | undefined): string =>
    point === undefined
      ? 'none'
      : `${formatMetric(metric, point.metric)}, ${formatBytes(point.bytes)} (−${formatPercent(1 - point.bytes / fp32Bytes)})`;
  const rows: string[][] = [
    ...differingSettings(searches),
    row('evaluations', ({ evaluations: { table, search } }) =>
      table === 0 ? formatCount(search) : `${formatCount(search)} + ${formatCount(table)} table`,
    ),
    row(
      'measured',
      ({ report: { measured, stopped, remembered } }) =>
        `${measured} whole, ${stopped} stopped, ${remembered} known`,
    ),
    row('computed', ({ report }) => `${report.work.done.toFixed(1)} evaluations’ worth`),
    row('time', ({ report }) => formatDuration(report.seconds)),
    row('selected', ({ selected }) => show(selected?.candidate)),
    row('smallest', ({ smallest }) => show(smallest)),
    row('held out', ({ heldOut }) =>
      heldOut === undefined
        ? 'not judged'
        : `${formatMetric(metric, heldOut.quantized.value)} (fp32 ${formatMetric(metric, heldOut.baseline.value)})`,
    ),
  ];
  const ids = searches.map(({ json }) => ({ title: json.id }));
  const sideBySide = formatTable([{ title: '' }, ...ids], rows);
  const fronts = formatTable(
    [
      ...numberColumns('memory', 'saving', metric),
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
    runs: searches.map(({ json, settings, space, evaluations, selected, smallest, heldOut }) => ({
      id: json.id,
      settings,
      evaluations,
      selected: selected
        ? { lambda: selected.lambda, ...candidateJson(selected.candidate, space) }
        : null,
      smallest: smallest ? candidateJson(smallest, space) : null,
      heldOut: heldOut ?? null,
      work: json.work,
    })),
    plans: entries,
  };
  const legend = 'Pareto fronts of all, and plans of no search (* beaten by none of them):';
  return { value, text: `${sideBySide}\n\n${legend}\n${fronts}` };

  function row(name: string, cell: (run: SavedSearch) => string): string[] {
    return [name, ...searches.map(cell)];
  }
}

function requireComparable(searches: readonly SavedSearch[]): void {
  const subjects = searches.map(
    ({ json: { config } }) => `${config.model.sha256} ${config.search.id}`,
  );
  const odd = subjects.findIndex((subject) => subject !== subjects[0]);
  const expected = 'two or more searches of one model on the same data';
  if (odd > 0)
    throw new DataError({
      what: 'the runs are of different models or data',
      where: searches[odd].json.id,
      got: 'another model, or other data',
      expected,
    });
  if (searches.length < 2)
    throw new UsageError({
      what: 'nothing to compare with',
      where: 'runs compare',
      got: 'one run',
      expected,
    });
}

/** Settings in which the searches differ, a row each: the name, then the values. */
function differingSettings(searches: readonly SavedSearch[]): string[][] {
  const all = searches.map(({ json }) => json.config.settings as Readonly<Record<string, Json>>);
  const names = new Set(all.flatMap((settings) => Object.keys(settings)));
  return [...names]
    .map((name) => [name, ...all.map((own) => (name in own ? shortJson(own[name]) : ''))])
    .filter(([, ...values]) => new Set(values).size > 1);
}

function shortJson(value: Json): string {
  return typeof value === 'string' ? value : canonicalJson(value);
}

/** The fronts, uniform and random plans, by rising size; each plan once a run. */
function commonTable(searches: readonly SavedSearch[]): Entry[] {
  const { metric } = searches[0].outcome.limits.quality;
  const points = searches.flatMap(({ json: { id }, outcome, space, yardsticks }) => [
    ...paretoFront(outcome.candidates, metric).map(({ metric: value, bytes, assignment }) => ({
      from: id,
      metric: value,
      bytes,
      plan: planId(space.resolve(assignment)),
    })),
    ...yardsticks.map(({ kind, name, metric: value, bytes, plan }) => ({
      from: kind === 'uniform' ? `uniform, ${name}` : `random, size of ${id}`,
      metric: value,
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
    .map((point) => ({ ...point, onFront: front.has(`${point.bytes} ${point.metric}`) }))
    .sort((a, b) => a.bytes - b.bytes);
}
