import type { ListedRun } from '../../experiment/record/list-runs.js';
import type { SavedRun } from '../../experiment/record/open-run.js';
import type { RunJson } from '../../experiment/record/schema.js';
import type { Bound, Constraints } from '../../search/constraints.js';
import { formatMetric, metricOf, type MetricName } from '../../tasks/metrics/metrics.js';
import { formatBytes, formatDuration, formatPercent } from '../../util/format.js';
import { itemsText } from './facts.js';
import { sensitivityGrid } from './run-tables.js';
import { describeSearch } from './search-text.js';
import { formatFacts, formatTable, numberColumns, type Fact } from './table.js';
import { workFacts } from './work-facts.js';

/** A line a run: what it was, on which data, within which limits, and what came of it. */
export function runsTable(runs: readonly ListedRun[]): string {
  const titles = ['run', 'kind', 'state', 'model', 'data', 'limits', 'result'];
  return formatTable(
    [...titles.map((title) => ({ title })), ...numberColumns('time')],
    runs.map((run) => [
      run.id,
      kindText(run),
      run.state,
      run.config.model.name,
      `${run.data.title}: ${run.data.items}`,
      limitsText(run),
      resultText(run),
      run.finishedAt === null ? '' : timeText(run.startedAt, run.finishedAt),
    ]),
  );
}

function kindText({ kind, config: { settings } }: ListedRun): string {
  return [kind, settings.method, settings.pace].filter(Boolean).join(' ');
}

/** "a1: at most 2 points, at most 46.4 %" */
function limitsText({ kind, config: { search, settings }, result }: ListedRun): string {
  if (kind !== 'search' || settings.constraints === undefined) return '';
  const metric = result?.metric ?? (search.task === 'sst2' ? 'accuracy' : 'perplexity');
  const name = settings.case === undefined ? '' : `${settings.case}: `;
  return name + constraintsText(settings.constraints, metric);
}

function constraintsText({ loss, memory }: Constraints, metric: MetricName): string {
  const text = (bound: Bound, absolute: (value: number) => string): string =>
    bound.kind === 'share' ? formatPercent(bound.share) : absolute(bound.value);
  const { unit, name } = metricOf(metric).loss;
  const parts = [
    ...(loss
      ? [`loss ≤ ${text(loss, (value) => `${Number((value / unit).toPrecision(4))} ${name}`)}`]
      : []),
    ...(memory ? [`memory ≤ ${text(memory, formatBytes)}`] : []),
  ];
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function resultText({ kind, state, result }: ListedRun): string {
  if (state !== 'finished' || result === undefined) return '';
  const { metric, baseline, selected } = result;
  const fp32 = `fp32 ${formatMetric(metric, baseline)}`;
  if (kind !== 'search') return fp32;
  if (selected === undefined) return `none keeps the limits (${fp32})`;
  const { bytes, saving } = selected;
  const size = `${formatBytes(bytes)} (−${formatPercent(saving)})`;
  return `${formatMetric(metric, selected.metric)} (${fp32}), ${size}`;
}

function timeText(from: string, to: string): string {
  return formatDuration((Date.parse(to) - Date.parse(from)) / 1000);
}

/**
 * A run as a page: what it was, on what, and what came of it, in the words that it ended with.
 *
 * @param run absent where it did not finish.
 */
export function runPage(json: RunJson, state: string, folder: string, run?: SavedRun): string {
  const { config, titles } = json;
  const last = json.finishedAt === null ? [] : [timeText(json.starts[0], json.finishedAt)];
  const facts = formatFacts([
    ['run', `${json.id}: a ${json.kind}, ${[state, ...last].join(' after ')}`],
    ['model', `${config.model.name} (sha256 ${config.model.sha256.slice(0, 12)}…)`],
    ['data', titles?.search ?? config.search.source],
    ['held out', titles?.heldOut ?? config.heldOut?.source ?? 'nothing'],
    ...(run === undefined ? [] : dataFacts(run)),
    ...settingsFacts(json),
    ...Object.entries(json.origins ?? {}).map(([part, origin]): Fact => [
      `${part}, fetched`,
      settingText(origin),
    ]),
    ['started', json.starts.join(', ')],
    ['folder', folder],
    ['machine', json.machine],
    ['versions', `qslm ${json.versions.qslm}, ${json.versions.backend}`],
    ...(json.command ? [['command', `qslm ${json.command.join(' ')}`] as const] : []),
    ...(json.error === undefined ? [] : [['error', json.error] as const]),
  ]);
  return run === undefined ? facts : `${facts}\n\n${resultPage(run)}`;
}

function dataFacts({ study }: SavedRun): Fact[] {
  return [['searched on', itemsText(study.task)]];
}

/** Settings, a line each; parts of one that has some, between commas. */
function settingsFacts({ config: { settings } }: RunJson): Fact[] {
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) return [];
  return Object.entries(settings)
    .filter(([name]) => name !== 'constraints')
    .map(([name, value]) => [name, settingText(value)]);
}

function settingText(value: unknown): string {
  if (Array.isArray(value)) return value.map(settingText).join(', ');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, part]) => `${name} ${settingText(part)}`)
    .join(', ');
}

function resultPage(run: SavedRun): string {
  const { metric } = run.study.task;
  if (run.kind === 'search') return describeSearch(run, metric);
  const { table, settings, space, report } = run;
  const grids = settings.levels.map((level) => {
    const { columns, rows } = sensitivityGrid(
      { table, level, storedBits: space.storedBits },
      metric,
    );
    return formatTable(columns, rows);
  });
  const facts = formatFacts([
    ['unquantized', formatMetric(metric, table.baseline.metric)],
    ...workFacts(report),
  ]);
  return [facts, ...grids].join('\n\n');
}
