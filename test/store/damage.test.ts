import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore, type MeasurementStore } from '../../src/store/index.js';
import { Connection } from '../../src/store/sqlite/connection.js';
import { StoreError } from '../../src/util/errors.js';
import { seededRandom } from '../../src/util/random.js';
import { inFolder, keyOf, perplexityOf } from './support.js';

const ROWS = 30;

/** Row `index`; about a kilobyte, so that 30 of them span several pages. */
function outcomeOf(index: number) {
  const nll = Array.from({ length: 64 }, (_, window) => Math.sqrt(index * 64 + window));
  return { measurement: { ...perplexityOf(nll, new Array<number>(64).fill(255)), value: index } };
}

const LIMIT = { metric: 'perplexity', baseline: 36.32, allowedLoss: 1 } as const;
const VERDICT = { passes: false, bound: 37.5 };

function fill(store: MeasurementStore): void {
  for (let index = 0; index < ROWS; index++) store.put(keyOf(`plan${index}`), outcomeOf(index));
  store.putVerdict(keyOf('stopped'), LIMIT, VERDICT);
  store.runs.create({ kind: 'search', config: {} });
}

/**
 * A closed store with 30 measurements, a verdict and a run, as another process would find it: a copy, since
 * this process lets go of the original only when its statements are collected as garbage.
 */
async function makeStore(path: string): Promise<void> {
  const original = join(path, '..', 'made', 'm.sqlite');
  const store = await openStore(original);
  fill(store);
  store.close();
  await copyFile(original, path);
}

async function edit(path: string, sql: string): Promise<void> {
  const connection = await Connection.open(path, 0);
  connection.exec(sql);
  connection.close();
}

/** Rows that are there; each must be exactly what was put. */
function intactRows(store: MeasurementStore): number {
  let count = 0;
  for (let index = 0; index < ROWS; index++) {
    const found = store.get(keyOf(`plan${index}`));
    if (found === undefined) continue;
    assert.deepEqual(found.measurement, outcomeOf(index).measurement);
    count++;
  }
  assert.equal(store.list().length, count);
  return count;
}

/** 1 where the verdict is there, as it was put. */
function intactVerdicts(store: MeasurementStore): number {
  const found = store.verdict(keyOf('stopped'), LIMIT);
  if (found === undefined) return 0;
  assert.deepEqual({ passes: found.passes, bound: found.bound }, VERDICT);
  return 1;
}

interface Damage {
  readonly name: string;
  readonly reason: RegExp;
  /** Measurements (of 30), verdicts (of 1) and runs (of 1) taken over: least and most. */
  readonly recovered: readonly [number, number];
  readonly apply: (path: string) => Promise<void>;
}

const everything = [ROWS + 2, ROWS + 2] as const;

const DAMAGES: readonly Damage[] = [
  {
    name: 'bytes that are no SQLite file',
    reason: /is not a SQLite file/,
    recovered: [0, 0],
    apply: (path) => writeFile(path, Buffer.alloc(10_000, 'garbage ')),
  },
  {
    name: 'a file cut in half',
    reason: /is damaged/,
    recovered: [5, ROWS],
    apply: async (path) => {
      const { length } = await readFile(path);
      await truncate(path, Math.floor(length / 2));
    },
  },
  {
    name: 'a file cut within its header',
    reason: /is damaged/,
    recovered: [0, 0],
    apply: (path) => truncate(path, 40),
  },
  {
    name: 'an overwritten application id',
    reason: /the header is overwritten; got application id 7/,
    recovered: everything,
    apply: (path) => edit(path, 'PRAGMA application_id = 7'),
  },
  {
    name: 'an overwritten schema version',
    reason: /the header is overwritten; got schema -1/,
    recovered: everything,
    apply: (path) => edit(path, 'PRAGMA user_version = -1'),
  },
  {
    name: 'a missing table',
    reason: /the table runs is missing/,
    recovered: [ROWS + 1, ROWS + 1],
    apply: (path) => edit(path, 'DROP TABLE runs'),
  },
  {
    name: 'a missing table that came with a later version',
    reason: /the table verdicts is missing/,
    recovered: [ROWS + 1, ROWS + 1],
    apply: (path) => edit(path, 'DROP TABLE verdicts'),
  },
  {
    name: 'an edited verdict',
    reason: /a value in verdicts does not fit its checksum/,
    recovered: [ROWS + 1, ROWS + 1],
    apply: (path) =>
      edit(
        path,
        `UPDATE verdicts SET record = CAST(replace(CAST(record AS TEXT), '37.5', '36.5') AS BLOB)`,
      ),
  },
  {
    name: 'a table of another form',
    reason: /the table claims is not as it was made/,
    recovered: everything,
    apply: (path) => edit(path, 'ALTER TABLE claims ADD COLUMN more TEXT'),
  },
  {
    name: 'one flipped bit in a measurement',
    reason: /a value in measurements does not fit its checksum/,
    recovered: [ROWS + 1, ROWS + 1],
    apply: async (path) => {
      const bytes = await readFile(path);
      // Row 17's first window, as the little-endian double it was stored as.
      const value = Buffer.alloc(8);
      value.writeDoubleLE(Math.sqrt(17 * 64));
      const at = bytes.indexOf(value);
      assert.ok(at > 0);
      bytes[at] ^= 1;
      await writeFile(path, bytes);
    },
  },
  {
    name: 'text that is not UTF-8',
    reason: /is damaged|not as it was made/,
    recovered: [0, ROWS + 2],
    apply: async (path) => {
      const bytes = await readFile(path);
      bytes.fill(
        0xff,
        bytes.indexOf('CREATE TABLE runs') + 13,
        bytes.indexOf('CREATE TABLE runs') + 17,
      );
      await writeFile(path, bytes);
    },
  },
];

describe('store, damaged', () => {
  for (const { name, reason, recovered, apply } of DAMAGES)
    it(`sets aside ${name}`, () =>
      inFolder(async (folder) => {
        const path = join(folder, 'm.sqlite');
        await makeStore(path);
        await apply(path);
        const damaged = await readFile(path);
        const store = await openStore(path);
        assert.ok(store.setAside);
        assert.match(store.setAside.reason, reason);
        assert.match(store.setAside.path, /m\.sqlite\.damaged-\d{8}T\d{9}Z$/);
        assert.ok(damaged.equals(await readFile(store.setAside.path)), 'the evidence was changed');
        const found = intactRows(store) + intactVerdicts(store) + store.runs.list().length;
        assert.equal(store.setAside.recovered, found);
        assert.ok(recovered[0] <= found && found <= recovered[1], `recovered ${found}`);
        fill(store);
        assert.equal(intactRows(store), ROWS);
        store.close();
        const again = await openStore(path);
        assert.equal(again.setAside, undefined);
        assert.equal(intactRows(again), ROWS);
        again.close();
      }));

  it('sets the log aside with the file, unchanged', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'killed.sqlite');
      await makeStore(join(folder, 'original.sqlite'));
      const log = await copyOfOpenStore(folder, path);
      const { length } = await readFile(path);
      await writeFile(path, Buffer.alloc(length, 'garbage '));
      const damaged = await readFile(path);
      const store = await openStore(path);
      assert.ok(store.setAside);
      assert.ok(damaged.equals(await readFile(store.setAside.path)));
      assert.ok(log.equals(await readFile(`${store.setAside.path}-wal`)));
      store.close();
    }));

  for (const size of ['missing', 'empty'] as const)
    it(`sets a log aside whose file is ${size}`, () =>
      inFolder(async (folder) => {
        const path = join(folder, 'killed.sqlite');
        const log = await copyOfOpenStore(folder, path);
        if (size === 'missing') await copyFile(`${path}-wal`, `${await away(path)}-wal`);
        else await truncate(path, 0);
        const target = size === 'missing' ? join(folder, 'away', 'killed.sqlite') : path;
        const store = await openStore(target);
        assert.match(store.setAside?.reason ?? '', /there is a log, but its file is gone or empty/);
        assert.ok(log.equals(await readFile(`${store.setAside!.path}-wal`)));
        fill(store);
        assert.equal(intactRows(store), ROWS);
        store.close();
      }));

  it('reads the log of a process that was killed', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'killed.sqlite');
      await copyOfOpenStore(folder, path);
      const store = await openStore(path);
      assert.equal(store.setAside, undefined);
      assert.equal(intactRows(store), ROWS);
      store.close();
    }));

  it('never answers with a wrong number, wherever 40 bytes are overwritten (seeded)', function () {
    this.timeout(600_000);
    return inFolder(async (folder) => {
      const sound = join(folder, 'sound.sqlite');
      await makeStore(sound);
      const bytes = await readFile(sound);
      const random = seededRandom(7);
      let asides = 0;
      for (let round = 0; round < FUZZ_ROUNDS; round++) {
        const path = join(folder, `m${round}.sqlite`);
        const damaged = Buffer.from(bytes);
        const at = random.integer(0, bytes.length - 40);
        for (let offset = 0; offset < 40; offset++) damaged[at + offset] = random.integer(0, 255);
        await writeFile(path, damaged);
        let store: MeasurementStore;
        try {
          store = await openStore(path);
        } catch (error) {
          // The version or application number was hit: it reads as another's file, and is left
          // alone.
          assert.ok(error instanceof StoreError && at < 100, `byte ${at}: ${String(error)}`);
          continue;
        }
        const found = intactRows(store) + intactVerdicts(store);
        // Without anything set aside, only unused bytes were hit, or columns that repeat the
        // record.
        if (store.setAside === undefined) assert.equal(found, ROWS + 1, `byte ${at}`);
        else asides++;
        store.close();
      }
      assert.ok(asides > FUZZ_ROUNDS / 4, `${asides} of ${FUZZ_ROUNDS} were noticed`);
    });
  });
});

/** Few, for time; set to thousands when the driver or the schema changes. */
const FUZZ_ROUNDS = Number(process.env.QSLM_FUZZ_ROUNDS ?? 40);

/**
 * What a killed process leaves: the file and its log, copied while the store was open. Returns the
 * log.
 */
async function copyOfOpenStore(folder: string, path: string): Promise<Buffer> {
  const original = join(folder, 'original.sqlite');
  const store = await openStore(original);
  fill(store);
  await copyFile(original, path);
  await copyFile(`${original}-wal`, `${path}-wal`);
  store.close();
  const log = await readFile(`${path}-wal`);
  assert.ok(log.length > 0);
  return log;
}

/** A path of the same name in an empty folder. */
async function away(path: string): Promise<string> {
  const folder = join(path, '..', 'away');
  await mkdir(folder);
  return join(folder, 'killed.sqlite');
}

describe('store, refused', () => {
  const refused = (path: string, pattern: RegExp) =>
    assert.rejects(openStore(path), (error) => {
      assert.ok(error instanceof StoreError, String(error));
      assert.match(error.message, pattern);
      return true;
    });

  it('a newer version: it stays where it is', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      await makeStore(path);
      await edit(path, 'PRAGMA user_version = 99; CREATE TABLE future (a)');
      const before = await readFile(path);
      await refused(path, /newer version .* got schema 99; expected schema 2 or older/);
      assert.ok(before.equals(await readFile(path)));
      assert.deepEqual(
        (await readdir(folder)).filter((name) => name.includes('damaged')),
        [],
      );
    }));

  it("another program's database: it stays where it is", () =>
    inFolder(async (folder) => {
      const path = join(folder, 'places.sqlite');
      await edit(path, 'CREATE TABLE bookmarks (url TEXT)');
      const before = await readFile(path);
      await refused(path, /belongs to another program/);
      assert.ok(before.equals(await readFile(path)));
    }));

  it('a folder, and a path below a file', () =>
    inFolder(async (folder) => {
      await refused(folder, /cannot be opened/);
      const file = join(folder, 'file');
      await writeFile(file, '');
      await refused(join(file, 'm.sqlite'), /the folder cannot be made/);
    }));

  it('a store that cannot be written', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      await makeStore(path);
      const connection = await Connection.open(path, 0);
      // Fails with the code of a read-only file, also for root, whom permissions do not stop.
      connection.exec('PRAGMA query_only = 1');
      assert.throws(
        () => {
          connection.transaction(() => connection.run('DELETE FROM runs'));
        },
        (error) => error instanceof StoreError && /cannot write/.test(error.message),
      );
      connection.close();
    }));
});
