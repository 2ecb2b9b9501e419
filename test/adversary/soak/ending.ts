import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { RUN_FILE, TRACE_JSON, type RunJson } from '../../../src/experiment/record/schema.js';
import { openStore } from '../../../src/store/index.js';
import { keyId, verdictId } from '../../../src/store/key.js';
import { openVerdict } from '../../../src/store/record.js';
import { Connection } from '../../../src/store/sqlite/connection.js';
import { sealedRows } from '../../../src/store/sqlite/rows.js';
import type { StoredVerdict } from '../../../src/store/types.js';
import type { Place } from './ground.js';

/** An outcome of the store, without when and where it was measured. */
export type Rows = ReadonlyMap<string, unknown>;

/** All that a search leaves: files of its finished runs by the model and data they are of, and its store. */
export interface Ending {
  /** The content of each finished run's files, by `identityOf`: two where a file was swapped twice. */
  readonly runs: ReadonlyMap<string, readonly Readonly<Record<string, unknown>>[]>;
  /** Outcomes by key. */
  readonly measurements: Rows;
  /** Whether a plan passes, by key and limit. */
  readonly verdicts: Rows;
  /** Keys of those. */
  readonly judged: ReadonlySet<string>;
}

interface Step {
  readonly candidate: boolean;
  readonly metric?: number;
  readonly low?: number;
  readonly high?: number;
  readonly pairedLow?: number;
  readonly pairedHigh?: number;
  readonly bound?: number;
}

/**
 * A step without what its verdict leaves open: how far a plan that is no candidate was measured hangs on the
 * order its items came in, and a process that takes a search up knows less of the baseline's items.
 */
function decided({ metric, low, high, pairedLow, pairedHigh, bound, ...step }: Step): object {
  if (!step.candidate) return step;
  assert.equal(bound, undefined, 'a candidate that was not measured to the end');
  return { ...step, metric, low, high, pairedLow, pairedHigh };
}

/** All files below a folder, by their paths from it; none where there is no folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
}

/** @throws {AssertionError} for a file that is there under its own name and not whole. */
export async function requireWhole(place: Place): Promise<void> {
  for (const path of await filesBelow(place.runs)) {
    if (!path.endsWith('.json')) continue;
    const text = await readFile(path, 'utf8');
    assert.doesNotThrow(() => JSON.parse(text) as unknown, `half-written: ${path}`);
  }
}

/** @throws {AssertionError} for anything half-written, and whatever else has no place there. */
export async function requireTidy(place: Place): Promise<void> {
  const files = await filesBelow(place.folder);
  const partial = files.find((path) => path.includes('.partial'));
  assert.equal(partial, undefined, `left behind: ${partial}`);
  const store = (await readdir(join(place.store, '..'))).filter(
    (name) => !/^m\.sqlite(-wal|-shm|\.lock)?$/.test(name),
  );
  assert.deepEqual(store, [], 'beside the store');
}

/** @param exact whether all steps have to be measured to their end: a search without verdicts */
export async function readEnding(place: Place, exact: boolean): Promise<Ending> {
  const store = await openStore(place.store);
  try {
    assert.equal(store.setAside, undefined, `set aside: ${store.setAside?.reason}`);
    const measurements = new Map(
      store.list().map(({ key, measurement, bytes, extras }) => [
        keyId(key),
        // How long it took is no part of the result.
        { key, measurement: { ...measurement, seconds: 0 }, bytes, extras },
      ]),
    );
    const runs = new Map<string, Readonly<Record<string, unknown>>[]>();
    for (const { id, state } of store.runs.list()) {
      if (state !== 'finished') continue;
      const [identity, files] = await readRunFiles(join(place.runs, id), exact);
      runs.set(identity, [...(runs.get(identity) ?? []), files]);
    }
    const verdicts = await verdictsOf(place);
    return {
      ...{ runs, measurements },
      verdicts: new Map(
        verdicts.map(({ key, limit, passes }) => [verdictId(key, limit), { key, limit, passes }]),
      ),
      judged: new Set(verdicts.map(({ key }) => keyId(key))),
    };
  } finally {
    store.close();
  }
}

/** The verdicts of a store: nothing but this lists them. */
async function verdictsOf({ store }: Place): Promise<StoredVerdict[]> {
  const connection = await Connection.open(store, 1000);
  try {
    return Array.from(sealedRows(connection, 'verdicts'), (row) => openVerdict(row, store));
  } finally {
    connection.close();
  }
}

/**
 * Holds an ending against those of searches that nothing disturbed.
 *
 * @param wanted the identity of the run that has to be there
 * @param exact as of {@link readEnding}
 * @throws {AssertionError} where it is another.
 */
export function requireSame(
  found: Ending,
  undisturbed: readonly Ending[],
  wanted: string,
  exact: boolean,
): void {
  assert.equal(found.runs.get(wanted)?.length, 1, 'the search is not finished once');
  for (const [id, runs] of found.runs) {
    const other = undisturbed.find((ending) => ending.runs.has(id))?.runs.get(id)?.[0];
    for (const run of runs) assert.deepEqual(run, other, `run of ${id}`);
  }
  for (const part of ['measurements', 'verdicts'] as const)
    for (const [id, value] of found[part]) {
      const other = undisturbed.find((ending) => ending[part].has(id))?.[part].get(id);
      // Measured to the end, where the undisturbed one was content with a verdict, or the other way round.
      const may = part === 'verdicts' || undisturbed.some((ending) => ending.judged.has(id));
      if (other !== undefined || exact || !may) assert.deepEqual(value, other, `${part}: ${id}`);
    }
  const own = undisturbed.find((ending) => ending.runs.has(wanted))!;
  for (const id of [...own.measurements.keys()])
    assert.ok(
      found.measurements.has(id) || (!exact && found.judged.has(id)),
      `nothing is stored for ${id}`,
    );
}

async function readRunFiles(
  folder: string,
  exact: boolean,
): Promise<[identity: string, files: Record<string, unknown>]> {
  const files: Record<string, unknown> = {};
  let identity = '';
  for (const path of await filesBelow(folder)) {
    const name = basename(path);
    const text = await readFile(path, 'utf8');
    if (name === RUN_FILE) {
      const { state, result, config } = JSON.parse(text) as RunJson;
      assert.equal(state, 'finished', 'the store and the folder tell two states');
      files[name] = { result, config };
      identity = identityOf(config.model.sha256, config.search.id);
    } else if (name === TRACE_JSON && !exact) {
      files[name] = (JSON.parse(text) as { steps: Step[] }).steps.map(decided);
    } else files[name] = text;
  }
  return [identity, files];
}

/** The model and the data of a run. */
export function identityOf(model: string, data: string): string {
  return `${model} ${data}`;
}
