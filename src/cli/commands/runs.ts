import { existsSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { locateRun, readRun } from '../../experiment/record/folder.js';
import { listRuns } from '../../experiment/record/list-runs.js';
import { openRun, openSearches } from '../../experiment/record/open-run.js';
import type { RunJson } from '../../experiment/record/schema.js';
import type { Run } from '../../store/index.js';
import { runJson } from '../format/json.js';
import { compareRuns } from '../format/runs-compare.js';
import { runPage, runsTable } from '../format/runs-text.js';
import type { Host } from '../host.js';
import { withResultOptions } from '../options/common.js';
import {
  withRunsOption,
  withStore,
  withStoreOption,
  type RunsFlags,
  type StoreFlags,
} from '../options/study.js';
import { Session, type CommonFlags } from '../session.js';

interface ListFlags extends CommonFlags, StoreFlags, RunsFlags {
  readonly kind?: string;
}

type ShowFlags = CommonFlags & RunsFlags & StoreFlags;

export function addRuns(program: Command, host: Host): void {
  const runs = program.command('runs').description('look at sweeps and searches done before');
  const list = runs
    .command('list')
    .description('all runs, the last one first')
    .addOption(new Option('--kind <kind>', 'only those of a kind').choices(['search', 'sweep']));
  withResultOptions(withRunsOption(withStoreOption(list))).action((flags: ListFlags) =>
    Session.run(host, flags, (session) => listAll(session, flags, onlyFolder(list))),
  );
  const show = runs
    .command('show')
    .description('what a run was, and what came of it')
    .argument('<run>', 'id or folder of a run');
  withResultOptions(withRunsOption(withStoreOption(show))).action((run: string, flags: ShowFlags) =>
    Session.run(host, flags, (session) => showRun(session, run, flags)),
  );
  const compare = runs
    .command('compare')
    .description('searches side by side: settings, cost, results, and their fronts in one table')
    .argument('<runs...>', 'ids or folders of finished searches of one model on the same data');
  withResultOptions(withRunsOption(compare)).action(
    (named: readonly string[], flags: CommonFlags & RunsFlags) =>
      Session.run(host, flags, (session) => compareNamed(session, named, flags)),
  );
}

/** True where a folder of runs was named and no store: then runs that lie elsewhere are not asked for. */
function onlyFolder(command: Command): boolean {
  const isGiven = (name: string): boolean => command.getOptionValueSource(name) === 'cli';
  return isGiven('runs') && !isGiven('store');
}

async function listAll(session: Session, flags: ListFlags, only: boolean): Promise<void> {
  const { runs: folder, kind } = flags;
  const all = await listRuns(folder, await entriesOf(session, flags.store));
  const runs = all.filter(
    (run) => (kind === undefined || run.kind === kind) && (!only || run.folder !== undefined),
  );
  await session.result({ runs }, runs.length === 0 ? 'no runs yet' : runsTable(runs), flags.out);
}

/** The runs that the store knows of; nothing where there is none, which looking at runs does not change. */
async function entriesOf(session: Session, path: string): Promise<Run[]> {
  return existsSync(path) ? withStore(session, path, (store) => store.runs.list()) : [];
}

async function showRun(session: Session, named: string, flags: ShowFlags): Promise<void> {
  const folder = await locateRun(named, flags.runs);
  const json = await readRun(folder);
  const state = await currentState(session, json, flags);
  const run = state === 'finished' ? await openRun(folder) : undefined;
  const value = { ...(await runJson(folder)), state };
  await session.result(value, runPage(json, state, folder, run), flags.out);
}

/** A killed run's file still says that it is running; the store knows better. */
async function currentState(session: Session, json: RunJson, flags: ShowFlags): Promise<string> {
  if (json.state !== 'running') return json.state;
  const entries = await entriesOf(session, flags.store);
  return entries.find(({ id }) => id === json.id)?.state ?? json.state;
}

async function compareNamed(
  session: Session,
  named: readonly string[],
  flags: CommonFlags & RunsFlags,
): Promise<void> {
  const expected = 'two or more searches of one model on the same data';
  const searches = await openSearches(named, flags.runs, expected);
  const { value, text } = compareRuns(searches);
  await session.result(value, text, flags.out);
}
