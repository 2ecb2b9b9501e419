import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  copyFile,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openStore, type MeasurementStore } from '../../src/store/index.js';
import { Connection } from '../../src/store/sqlite/connection.js';
import { TABLES } from '../../src/store/sqlite/schema.js';
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

async function setByte(path: string, at: number, value: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = value;
  await writeFile(path, bytes);
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
    name: 'one wrong byte in the magic of the file',
    reason: /its first bytes are not those of SQLite/,
    recovered: everything,
    apply: (path) => setByte(path, 3, 0x00),
  },
  {
    name: 'a damaged read version',
    reason: /the header is overwritten; got read version 7/,
    recovered: everything,
    apply: (path) => setByte(path, 19, 7),
  },
  {
    name: 'a damaged write version, with which SQLite would only read',
    reason: /the header is overwritten; got write version 255/,
    recovered: everything,
    apply: (path) => setByte(path, 18, 255),
  },
  {
    name: 'a damaged schema version that looks newer',
    reason: /the header is overwritten; got schema 66/,
    recovered: everything,
    apply: (path) => setByte(path, 63, 66),
  },
  {
    name: 'a damaged schema version that looks older',
    reason: /the header is overwritten; got schema 1/,
    recovered: everything,
    apply: (path) => setByte(path, 63, 1),
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
      // All but the first page, which says that it is a store.
      const damaged = (await readFile(path)).fill('garbage ', 4096);
      await writeFile(path, damaged);
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

describe('store, a damaged log', () => {
  /** Commits of one page or two, a frame each; frame `index` begins there. */
  const frameAt = (index: number): number => 32 + index * (24 + 4096);

  for (const [what, at] of [
    ['a page in its middle', frameAt(9) + 2000],
    ["a frame's checksum", frameAt(9) + 17],
    ["a frame's salt", frameAt(9) + 9],
    ['its header', 20],
  ] as const)
    it(`says that rows are missing, and keeps a copy of the log: ${what}`, () =>
      inFolder(async (folder) => {
        const path = join(folder, 'killed.sqlite');
        const log = await copyOfOpenStore(folder, path);
        log[at] ^= 0x10;
        await writeFile(`${path}-wal`, log);
        const store = await openStore(path);
        const { setAside } = store;
        assert.equal(setAside?.part, 'log');
        assert.match(
          setAside.reason,
          what === 'its header'
            ? /log .* has a damaged header/
            : /log .* is damaged at entry 10 of/,
        );
        assert.ok(log.equals(await readFile(setAside.path)), 'the evidence was changed');
        assert.ok(intactRows(store) < ROWS);
        fill(store);
        store.close();
        const again = await openStore(path);
        assert.equal(again.setAside, undefined);
        assert.equal(intactRows(again), ROWS);
        again.close();
      }));

  it('is none where a process was killed within a commit', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'killed.sqlite');
      const log = await copyOfOpenStore(folder, path);
      // The last frame, which would make the commit, was not written to its end.
      await writeFile(`${path}-wal`, log.subarray(0, log.length - 1000));
      const store = await openStore(path);
      assert.equal(store.setAside, undefined);
      store.close();
    }));
});

describe('store, whose file goes while it is open', () => {
  /** Opens a store with rows, takes its file away as told, goes on, and gives the second opening's rows. */
  async function goesOn(takeAway: (path: string) => Promise<void>): Promise<void> {
    await inFolder(async (folder) => {
      const path = join(folder, 'deep', 'm.sqlite');
      const news: string[] = [];
      const store = await openStore(path, { tell: (text) => news.push(text) });
      for (let index = 0; index < ROWS - 1; index++)
        store.put(keyOf(`plan${index}`), outcomeOf(index));
      const run = store.runs.create({ kind: 'search', config: {} });
      store.putVerdict(keyOf('stopped'), LIMIT, VERDICT);
      await takeAway(path);
      assert.deepEqual(news, []);
      store.put(keyOf(`plan${ROWS - 1}`), outcomeOf(ROWS - 1));
      assert.equal(news.length, 1);
      assert.match(news[0], /m\.sqlite: the store was (deleted|replaced) while it was in use/);
      store.runs.update(run.id, { state: 'finished' });
      assert.equal(intactRows(store), ROWS);
      store.close();
      const again = await openStore(path);
      assert.equal(again.setAside, undefined);
      assert.equal(intactRows(again), ROWS);
      assert.equal(intactVerdicts(again), 1);
      assert.deepEqual(
        again.runs.list().map(({ id, state }) => [id, state]),
        [[run.id, 'finished']],
      );
      again.close();
    });
  }

  it('is written anew when it is deleted', () => goesOn((path) => rm(path)));

  it('is written anew when its whole folder is deleted', () =>
    goesOn((path) => rm(join(path, '..'), { recursive: true })));

  it('is written into a store that was put in its place', () =>
    goesOn(async (path) => {
      const other = join(path, '..', 'other.sqlite');
      await makeStore(other);
      await edit(other, "DELETE FROM measurements WHERE id <> ''; DELETE FROM runs; VACUUM");
      await rename(other, path);
    }));

  it('is written anew at the end where nothing was written after', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const news: string[] = [];
      const store = await openStore(path, { tell: (text) => news.push(text) });
      fill(store);
      await rm(path);
      store.close();
      assert.equal(news.length, 1);
      const again = await openStore(path);
      assert.equal(intactRows(again), ROWS);
      again.close();
    }));

  it('refuses what else was put in its place, and leaves it alone', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const store = await openStore(path);
      fill(store);
      await writeFile(join(folder, 'notes'), 'notes of a person');
      await rename(join(folder, 'notes'), path);
      assert.throws(
        () => store.put(keyOf('more'), outcomeOf(0)),
        (error) => error instanceof StoreError && /is no store of measurements/.test(error.message),
      );
      assert.equal(await readFile(path, 'utf8'), 'notes of a person');
    }));
});

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

  for (const [what, content] of [
    ['a text', 'Dear diary,\n'.repeat(100)],
    ['bytes', Buffer.alloc(10_000, 0x5a)],
    ['a file of two bytes', 'hi'],
    ['a text that names our tables', `tablemeasurements ${TABLES.measurements.sql}`],
    ['a text with our number at its place', `${'-'.repeat(68)}QSLM${'-'.repeat(100)}`],
  ] as const)
    it(`${what} that is no store: it stays as it is, with nothing beside it, through a link too`, () =>
      inFolder(async (folder) => {
        const path = join(folder, 'precious');
        const link = join(folder, 'link');
        await writeFile(path, content);
        await symlink('precious', link);
        for (const name of [path, link])
          await refused(name, /precious: is no store of measurements, and is left as it is; got a/);
        assert.deepEqual(await readFile(path), Buffer.from(content));
        assert.deepEqual((await readdir(folder)).sort(), ['link', 'precious']);
      }));

  it('a pipe, without waiting for a writer', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'pipe');
      await promisify(execFile)('mkfifo', [path]);
      await refused(path, /cannot be opened; got a device, socket or pipe/);
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
