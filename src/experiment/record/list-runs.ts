import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import type { Run, RunState } from '../../store/index.js';
import { checked, readRun } from './folder.js';
import { titleOfData } from './saved-study.js';
import { count, metric, number } from './schema-parts.js';
import { LISTED_CONFIG, RUN_FILE } from './schema.js';

/** A run as a list shows it, whether its folder tells of it or the store. */
export interface ListedRun {
  readonly id: string;
  /** "search", "sweep" */
  readonly kind: string;
  readonly state: RunState;
  /** ISO 8601 in UTC, of its first start. */
  readonly startedAt: string;
  /** Null while it runs, and for a run that was interrupted by force. */
  readonly finishedAt: string | null;
  /** Absent where only the store knows of it. */
  readonly folder?: string;
  readonly config: v.InferOutput<typeof LISTED_CONFIG>;
  /** Title and items of the data that it was searched on. */
  readonly data: { readonly title: string; readonly items: number };
  readonly result?: ListedResult | undefined;
}

/** The result of a search or a sweep, as far as a list shows it: in a run's folder, or in the store. */
const LISTED_RESULT = v.object({
  metric,
  baseline: v.union([
    number,
    v.pipe(
      v.object({ metric: number }),
      v.transform((b) => b.metric),
    ),
  ]),
  selected: v.optional(v.object({ metric: number, bytes: count, saving: number })),
});
export type ListedResult = v.InferOutput<typeof LISTED_RESULT>;

/**
 * All runs of a folder, and those that a store knows of besides, the last one first. Folders without a store,
 * copied from elsewhere, are listed; what is no run's folder, or damaged, is not.
 *
 * @param runs folder of all runs.
 * @param known the store's entries.
 */
export async function listRuns(runs: string, known: readonly Run[]): Promise<ListedRun[]> {
  const states = new Map(known.map(({ id, state }) => [id, state]));
  const listed: ListedRun[] = [];
  for (const name of existsSync(runs) ? await readdir(runs) : []) {
    const folder = join(runs, name);
    if (!existsSync(join(folder, RUN_FILE))) continue;
    const run = await fromFolder(folder).catch(() => undefined);
    // A killed run's file still says that it is running; the store knows better.
    if (run !== undefined) listed.push({ ...run, state: states.get(run.id) ?? run.state });
  }
  const seen = new Set(listed.map(({ id }) => id));
  const others = known.filter(({ id }) => !seen.has(id)).map(fromStore);
  return [...listed, ...others].sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
}

async function fromFolder(folder: string): Promise<ListedRun> {
  const { id, kind, state, starts, finishedAt, config, titles, result } = await readRun(folder);
  return {
    id,
    kind,
    state,
    startedAt: starts[0],
    finishedAt,
    folder,
    config: listedConfig(config, basename(folder)),
    data: { title: titleOfData(config.search, titles?.search), items: config.search.items },
    result: resultOf(result),
  };
}

function fromStore({
  id,
  kind,
  state,
  startedAt,
  finishedAt,
  config: kept,
  result,
}: Run): ListedRun {
  const config = listedConfig(kept, id);
  const { search } = config;
  const data = { title: titleOfData(search), items: search.items };
  return { id, kind, state, startedAt, finishedAt, config, data, result: resultOf(result) };
}

function listedConfig(config: unknown, run: string): ListedRun['config'] {
  return checked(config, LISTED_CONFIG, `run ${run}: configuration`);
}

function resultOf(result: unknown): ListedResult | undefined {
  const found = v.safeParse(LISTED_RESULT, result);
  return found.success ? found.output : undefined;
}
