import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { startBackend, type BackendReport } from '../backend/start.js';
import { BUNDLED_MODELS, openModel, type BundledModel } from '../experiment/inputs.js';
import { buildTask } from '../experiment/inputs-task.js';
import { PRECISION_LIST, runUniform } from '../experiment/uniform.js';
import { loadVegaBundle } from '../notebook/vega-bundle.js';
import { renderReport } from '../plots/report.js';
import { OutputError } from '../util/errors.js';
import { saveFile } from '../util/files.js';
import { demoReport, type DemoRun } from './demo-report.js';
import { backendFact, configFacts, taskFacts } from './facts.js';
import type { Host } from './host.js';
import { pointJson, taskJson } from './json.js';
import { formatDuration } from './numbers.js';
import {
  bitWidths,
  positiveInteger,
  withBackendOption,
  withCommonOptions,
  type BackendFlags,
} from './options.js';
import { bitsLabel, pointCells, pointColumns } from './points.js';
import { planMaker, quantizerOption, type QuantizerName } from './quantizers.js';
import { Session } from './session.js';
import { formatFacts, formatTable } from './table.js';
import { packageVersion } from './version.js';

interface DemoFlags extends BackendFlags {
  readonly out: string;
  readonly bits: readonly number[];
  readonly quantizer: QuantizerName;
  readonly limit?: number;
}

export function addDemo(program: Command, host: Host): void {
  const command = program
    .command('demo')
    .description('measure both bundled models at uniform bit widths, and write a report')
    .option('--out <folder>', 'where report.html and uniform.json go', 'out')
    .option('--bits <widths>', 'bit widths, 1 to 16', bitWidths, [...PRECISION_LIST])
    .addOption(quantizerOption())
    .option(
      '--limit <count>',
      'only the first sentences or tokens: a quick look, wide intervals',
      positiveInteger,
    );
  withCommonOptions(withBackendOption(command))
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
  for (const name of BUNDLED_MODELS) {
    const run = await measure(session, name, flags);
    runs.push(run);
    await session.print(`${describe(run)}\n\n`);
  }
  const report = demoReport(runs, backend, new Date().toISOString().slice(0, 10));
  const [html, json] = [join(flags.out, 'report.html'), join(flags.out, 'uniform.json')];
  const value = demoJson(runs, backend);
  await saveFile(html, await renderReport(report, await loadVegaBundle()));
  const seconds = (performance.now() - started) / 1000;
  const files = [
    ['report', `${html} (open it in a browser; it needs no network)`],
    ['numbers', json],
    ['time', formatDuration(seconds)],
  ] as const;
  await session.result(value, formatFacts(files), json);
}

async function requireFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || found.isDirectory()) return;
  throw new OutputError({
    what: 'cannot write',
    where: path,
    got: 'a file of that name',
    expected: 'a folder, or a path that is free',
  });
}

async function measure(
  session: Session,
  name: BundledModel,
  { bits, quantizer, limit }: DemoFlags,
): Promise<DemoRun> {
  const open = await openModel(name, session.run);
  try {
    const task = await buildTask({ limit }, open.tokenizer, open.model.config);
    const points = await runUniform(open, task, {
      ...session.run,
      bits,
      makePlan: planMaker(quantizer, open.model.config),
    });
    const { report } = open.model;
    return { name, sha256: await open.checkpoint.sha256(), report, quantizer, task, points };
  } finally {
    await open.close();
  }
}

function describe({ name, report, task, points }: DemoRun): string {
  const table = formatTable(
    pointColumns('bits', task.metric),
    points.map((point) => pointCells({ label: bitsLabel(point.bits), point })),
  );
  const facts = formatFacts([['model', name], ...configFacts(report), ...taskFacts(task)]);
  const failures = points.flatMap(({ failure, name: plan }) =>
    failure === undefined ? [] : [`${plan}: ${failure}`],
  );
  return [facts, '', table, ...failures].join('\n');
}

function demoJson(runs: readonly DemoRun[], backend: BackendReport): object {
  return {
    qslm: packageVersion(),
    backend,
    models: runs.map(({ task, points, report, ...run }) => ({
      ...run,
      ...report,
      task: taskJson(task),
      points: points.map((point) => ({ bits: point.bits, ...pointJson(point) })),
    })),
  };
}
