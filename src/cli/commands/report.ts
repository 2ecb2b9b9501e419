import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { openRun, type SavedRun } from '../../experiment/record/open-run.js';
import {
  isEnergyRun,
  openEnergyRun,
  type SavedEnergy,
} from '../../experiment/runs/energy/saved-energy.js';
import { loadLandscape, loadPaperPower, loadPaperResults } from '../../figures/paper-data.js';
import { loadVegaBundle } from '../../figures/vega-bundle.js';
import { renderReport } from '../../plots/render/report.js';
import { saveFile, saveFileWithin } from '../../util/files.js';
import { formatBytes } from '../../util/format.js';
import { formatFacts } from '../format/table.js';
import type { Host } from '../host.js';
import { withCommonOptions } from '../options/common.js';
import { withRunsOption, type RunsFlags } from '../options/study.js';
import { runReport } from '../report/run-report.js';
import { Session, type CommonFlags } from '../session.js';

type ReportFlags = CommonFlags & RunsFlags;

export function addReport(program: Command, host: Host): void {
  const command = program
    .command('report')
    .description('join all figures and tables of finished runs in one page; measures nothing')
    .argument('<runs...>', 'ids or folders of searches, sweeps and measurements of energy')
    .option(
      '--out <file>',
      "HTML that opens offline and prints; default: report.html in the run's folder, of several in that of all runs",
    );
  withCommonOptions(withRunsOption(command))
    .addHelpText(
      'after',
      `
Runs of one model on the same data are shown together: sensitivities, results judged on held-out data,
each search plan by plan, its selected plan, and what each acceleration saved. See also: qslm plot

Example:
  $ qslm report 20260131-174502-9f3a1c 20260131-180210-77b0de --out report.html`,
    )
    .action((named: readonly string[], flags: ReportFlags) =>
      Session.run(host, flags, (session) => report(session, named, flags)),
    );
}

async function report(
  session: Session,
  named: readonly string[],
  { out, runs: folder }: ReportFlags,
): Promise<void> {
  const runs: SavedRun[] = [];
  const energies: SavedEnergy[] = [];
  for (const name of new Set(named))
    if (await isEnergyRun(name, folder)) energies.push(await openEnergyRun(name, folder));
    else runs.push(await openRun(name, folder));
  const all = [...runs, ...energies];
  const path = out ?? join(all.length === 1 ? all[0].folder : folder, 'report.html');
  const page = runReport(
    runs,
    {
      paper: await loadPaperResults(),
      power: await loadPaperPower(),
      landscape: await loadLandscape(),
    },
    energies,
  );
  const html = await renderReport(page, await loadVegaBundle());
  // A run's folder may come from anyone; the path that a person names is theirs.
  if (out === undefined) await saveFileWithin(dirname(path), path, html);
  else await saveFile(path, html);
  const bytes = Buffer.byteLength(html);
  const value = { path, bytes, title: page.title, runs: all.map(({ json }) => json.id) };
  const facts = formatFacts([
    ['report', `${path} (open it in a browser; it needs no network)`],
    ['runs', value.runs.join(', ')],
    ['size', formatBytes(bytes)],
  ]);
  await session.result(value, facts);
}
