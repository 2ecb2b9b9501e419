import { join } from 'node:path';
import type { Command } from 'commander';
import { startBackend, type BackendReport } from '../../backend/start.js';
import { BUNDLED_CALIBRATION } from '../../experiment/open/calibration-sample.js';
import { BUNDLED_MODELS, type BundledModel } from '../../experiment/open/model-file.js';
import { openStudy } from '../../experiment/open/open-study.js';
import type { Study } from '../../experiment/open/study.js';
import { searchResultJson } from '../../experiment/record/search-files.js';
import { runCases, type CasesRun } from '../../experiment/runs/cases-run.js';
import { PRECISION_LIST, runUniform } from '../../experiment/runs/uniform.js';
import { loadLandscape, loadPaperPower, loadPaperResults } from '../../figures/paper-data.js';
import { loadVegaBundle } from '../../figures/vega-bundle.js';
import { renderReport } from '../../plots/render/report.js';
import { needsCalibration, type QuantizerName, quantizerPlan } from '../../quant/quantizers.js';
import type { MeasurementStore } from '../../store/index.js';
import { saveFile } from '../../util/files.js';
import { formatDuration } from '../../util/format.js';
import { backendFact, configFacts, configJson } from '../format/facts.js';
import { pointJson, taskJson } from '../format/json.js';
import { bitsLabel, pointCells, pointColumns } from '../format/points.js';
import {
  judgedColumns,
  judgedRow,
  selectionColumns,
  selectionRows,
  sensitivityGrid,
} from '../format/run-tables.js';
import { formatFacts, formatTable } from '../format/table.js';
import type { Host } from '../host.js';
import {
  bitsListOption,
  integerFrom,
  positiveInteger,
  quantizerOption,
  withBackendOption,
  withCommonOptions,
  type BackendFlags,
} from '../options/common.js';
import { requireFolder } from '../options/model-output.js';
import { queueOf, withQueueOptions, type QueueFlags } from '../options/queue.js';
import { withStore } from '../options/study.js';
import { demoReport, type DemoRun } from '../report/demo-report.js';
import { energySections, landscapeSections } from '../report/energy-section.js';
import { groupFindings } from '../report/findings.js';
import { groupSections, savingsSections } from '../report/run-sections.js';
import { asOneBar } from '../run-progress.js';
import { Session } from '../session.js';
import { packageVersion } from '../version.js';

interface DemoFlags extends BackendFlags, QueueFlags {
  readonly out: string;
  readonly bits: readonly number[];
  readonly quantizer: QuantizerName;
  readonly limit?: number;
  readonly search: boolean;
  readonly workers?: number;
}

export function addDemo(program: Command, host: Host): void {
  const command = program
    .command('demo')
    .description(
      'the whole flow on both bundled models: uniform widths, sensitivity, searches; a report',
    )
    .option('--out <folder>', 'where the report, its numbers, runs and the store go', 'out')
    .addOption(bitsListOption('bit widths, 1 to 16', PRECISION_LIST))
    .addOption(quantizerOption())
    .option(
      '--limit <count>',
      'only the first sentences or tokens: a quick look, wide intervals',
      positiveInteger,
    )
    .option('--no-search', 'uniform bit widths only')
    .option('--workers <count>', 'threads; default: by backend and processor', integerFrom(0));
  withCommonOptions(withQueueOptions(withBackendOption(command)))
    .addHelpText('after', '\nExample:\n  $ qslm demo --bits 8,4 --limit 2000 --out quick-look')
    .action((flags: DemoFlags) => Session.run(host, flags, (session) => demo(session, flags)));
}

async function demo(session: Session, flags: DemoFlags): Promise<void> {
  const started = performance.now();
  // Minutes of work must not end at a path that was wrong from the start.
  await requireFolder(flags.out);
  const backend = await startBackend(flags.backend);
  session.note(formatFacts([backendFact(backend)]));
  const runs: DemoRun[] = [];
  const searches: DemoSearch[] = [];
  await withStore(session, join(flags.out, 'measurements.sqlite'), async (store) => {
    for (const name of BUNDLED_MODELS) {
      const found = await measure(session, name, flags, backend, store);
      runs.push(found.uniform);
      searches.push(...found.searches);
    }
  });
  const date = new Date().toISOString().slice(0, 10);
  const groups = searches.map(({ sweep, ...found }) => ({ ...found, sweeps: [sweep] }));
  const paper = await loadPaperResults();
  const power = await loadPaperPower();
  const landscape = await loadLandscape();
  const sections = [
    ...groups.flatMap((group) => [
      ...groupSections(group, paper),
      ...energySections(group, power),
      ...landscapeSections(group, landscape),
    ]),
    ...savingsSections(groups),
  ];
  const findings = groups.flatMap((group) => groupFindings(group, paper));
  const report = demoReport(runs, backend, date, sections, findings);
  const [html, json] = [join(flags.out, 'report.html'), join(flags.out, 'uniform.json')];
  const value = demoJson(runs, searches, backend);
  await saveFile(html, await renderReport(report, await loadVegaBundle()));
  const facts = formatFacts([
    ['report', `${html} (open it in a browser; it needs no network)`],
    ['numbers', json],
    ['time', formatDuration((performance.now() - started) / 1000)],
  ]);
  await session.result(value, facts, json);
}

/** The flow over all cases for one bundled model. */
interface DemoSearch extends CasesRun {
  readonly study: Study;
}

/** The results for one model. */
interface Found {
  readonly uniform: DemoRun;
  /** None where only uniform widths are wanted. */
  readonly searches: readonly DemoSearch[];
}

async function measure(
  session: Session,
  name: BundledModel,
  flags: DemoFlags,
  backend: BackendReport,
  store: MeasurementStore,
): Promise<Found> {
  const { bits, quantizer, limit, search, workers, out } = flags;
  const queue = queueOf(session, flags);
  const study = await openStudy(name, {
    ...(queue && { queue }),
    limit,
    heldOutLimit: limit,
    backend: backend.name,
    store,
    ...(workers !== undefined && { accelerations: { workers } }),
    ...(needsCalibration(quantizer) && { calibration: BUNDLED_CALIBRATION }),
  });
  const { file } = study.options;
  try {
    const whole = await study.buildTask({ limit }, 'all');
    const { task } = whole;
    const points = await runUniform(study.measurable(whole), {
      ...session.run,
      bits,
      makePlan: (width) => quantizerPlan(quantizer, width, file.hierarchy),
    });
    const uniform = { name, sha256: study.sha256, description: file, quantizer, task, points };
    await session.print(`${describe(uniform)}\n\n`);
    if (!search) return { uniform, searches: [] };
    const run = await runCases(study, {
      search: { bits, quantizer },
      runs: join(out, 'runs'),
      command: ['demo'],
      onProgress: asOneBar(session.onProgress, study.task.metric, (text) => {
        session.note(text);
      }),
      signal: session.signal,
    });
    const found = { study, ...run };
    await session.print(`${describeSearches(found)}\n\n`);
    return { uniform, searches: [found] };
  } finally {
    await study.close();
  }
}

function describeSearches({ study, searches, sweep: { table, space } }: DemoSearch): string {
  const { metric, source } = study.task;
  const { heldOut } = study.options;
  const { storedBits } = space;
  const grid = sensitivityGrid({ table, level: 'block', storedBits }, metric);
  return [
    `${metric} with one block quantized:`,
    formatTable(grid.columns, grid.rows),
    `Selected by λ (* the result), on ${source}:`,
    formatTable(
      selectionColumns(metric),
      searches.flatMap((run) => selectionRows(run, metric)),
    ),
    `The results, judged on ${heldOut?.task.source ?? 'nothing'}:`,
    formatTable(
      judgedColumns(metric),
      searches.map((run) => judgedRow(run, metric)),
    ),
  ].join('\n\n');
}

function describe({ name, description, task, points }: DemoRun): string {
  const table = formatTable(
    pointColumns('bits', task.metric),
    points.map((point) => pointCells({ label: bitsLabel(point.bits), point }, task.metric)),
  );
  const facts = formatFacts([['model', name], ...configFacts(description), ...task.describe()]);
  const failures = points.flatMap(({ failure, name: plan }) =>
    failure === undefined ? [] : [`${plan}: ${failure}`],
  );
  return [facts, '', table, ...failures].join('\n');
}

function demoJson(
  runs: readonly DemoRun[],
  searches: readonly DemoSearch[],
  backend: BackendReport,
): object {
  return {
    qslm: packageVersion(),
    backend,
    models: runs.map(({ task, points, description, ...run }) => ({
      ...run,
      ...configJson(description),
      task: taskJson(task),
      points: points.map((point) => ({ bits: point.bits, ...pointJson(point) })),
    })),
    searches: searches.map(({ study, sweep, searches: cases }) => ({
      name: study.options.file.name,
      task: taskJson(study.task),
      heldOut: study.options.heldOut ? taskJson(study.options.heldOut.task) : null,
      sweep: { folder: sweep.folder, rows: sweep.table.rows },
      cases: cases.map((run) => ({
        case: run.settings.case,
        folder: run.folder,
        result: searchResultJson(run),
      })),
    })),
  };
}
