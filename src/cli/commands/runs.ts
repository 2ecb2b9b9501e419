import type { Command } from 'commander';
import { checked, locateRun, readRun } from '../../experiment/record/folder.js';
import { openRun } from '../../experiment/record/open-run.js';
import { LISTED_CONFIG, type RunJson } from '../../experiment/record/schema.js';
import { plainJson } from '../../experiment/record/search-files.js';
import type { Run } from '../../store/index.js';
import { DataError } from '../../util/errors.js';
import { formatDuration } from '../../util/format.js';
import type { Json } from '../../util/json.js';
import { runJson } from '../format/json.js';
import { compareRuns } from '../format/runs-compare.js';
import { formatFacts, formatTable, numberColumns } from '../format/table.js';
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

interface ListFlags extends CommonFlags, StoreFlags {
  readonly kind?: string;
}

type ShowFlags = CommonFlags & RunsFlags & StoreFlags;

export function addRuns(program: Command, host: Host): void {
  const runs = program.command('runs').description('look at sweeps and searches done before');
  const list = runs
    .command('list')
    .description('all runs, the last one first')
    .option('--kind <kind>', 'only those of a kind: search, sweep');
  withResultOptions(withStoreOption(list)).action((flags: ListFlags) =>
    Session.run(host, flags, (session) => listRuns(session, flags)),
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

async function listRuns(session: Session, { store: path, kind, out }: ListFlags): Promise<void> {
  const wanted = kind === undefined ? {} : { kind };
  const runs = await withStore(session, path, (store) => store.runs.list(wanted).reverse());
  const texts = ['run', 'kind', 'state', 'model', 'what'].map((title) => ({ title }));
  const table = formatTable([...texts, ...numberColumns('time')], runs.map(rowOf));
  await session.result({ runs }, runs.length === 0 ? 'no runs yet' : table, out);
}

function rowOf({ id, kind, state, config, startedAt, finishedAt }: Run): string[] {
  const time =
    finishedAt === null
      ? ''
      : formatDuration((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000);
  const { model, settings } = checked(config, LISTED_CONFIG, `run ${id}: configuration`);
  const what = [settings.method, settings.case, settings.pace].filter(Boolean).join(' ');
  return [id, kind, state, model.name, what, time];
}

async function showRun(session: Session, run: string, flags: ShowFlags): Promise<void> {
  const folder = await locateRun(run, flags.runs);
  const json = await readRun(folder);
  const state = await currentState(session, json, flags);
  const facts = formatFacts([
    ['run', json.id],
    ['kind', json.kind],
    ['state', state],
    ['started', json.starts.join(', ')],
    ['folder', folder],
    ['machine', json.machine],
    ['versions', `qslm ${json.versions.qslm}, ${json.versions.backend}`],
    ...(json.command ? [['command', `qslm ${json.command.join(' ')}`] as const] : []),
    ...(json.error === undefined ? [] : [['error', json.error] as const]),
  ]);
  const parts = [
    facts,
    `configuration:\n${outline(plainJson(json.config))}`,
    ...(json.origins ? [`fetched:\n${outline(plainJson(json.origins))}`] : []),
    ...(json.result === null ? [] : [`result:\n${outline(json.result)}`]),
    ...(json.work === null ? [] : [`work:\n${outline(plainJson(json.work))}`]),
  ];
  const value = { ...(await runJson(folder)), state };
  await session.result(value, parts.join('\n\n'), flags.out);
}

/** A killed run's file still says that it is running; the store knows better. */
async function currentState(session: Session, json: RunJson, flags: ShowFlags): Promise<string> {
  const { id, state } = json;
  if (state !== 'running') return state;
  return withStore(session, flags.store, (store) => store.runs.show(id)?.state ?? state);
}

/** Members of an object, a line each, deeper ones indented; long lists by their length. */
function outline(value: Json, indent = '  '): string {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    return `${indent}${inline(value)}`;
  return Object.entries(value as Readonly<Record<string, Json>>)
    .map(([name, member]) =>
      typeof member === 'object' && member !== null && !Array.isArray(member)
        ? `${indent}${name}:\n${outline(member, `${indent}  `)}`
        : `${indent}${name}: ${inline(member)}`,
    )
    .join('\n');
}

function inline(value: Json): string {
  if (!Array.isArray(value)) return typeof value === 'string' ? value : JSON.stringify(value);
  const isShort = value.every((member) => member === null || typeof member !== 'object');
  return isShort ? value.join(', ') : `${value.length} entries`;
}

async function compareNamed(
  session: Session,
  named: readonly string[],
  flags: CommonFlags & RunsFlags,
): Promise<void> {
  const searches = await Promise.all(
    named.map(async (run) => {
      const opened = await openRun(run, flags.runs);
      if (opened.kind === 'search') return opened;
      throw new DataError({
        what: 'not a search',
        where: run,
        got: `a ${opened.kind}`,
        expected: 'two or more searches of one model on the same data',
      });
    }),
  );
  const { value, text } = compareRuns(searches);
  await session.result(value, text, flags.out);
}
