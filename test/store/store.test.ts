import assert from 'node:assert/strict';
import { copyFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { memoryStore, openStore, type MeasurementStore } from '../../src/store/index.js';
import { Connection } from '../../src/store/sqlite/connection.js';
import { configure, createTables } from '../../src/store/sqlite/schema.js';
import { SqliteStore } from '../../src/store/sqlite/store.js';
import { AbortedError, StoreError } from '../../src/util/errors.js';
import { accuracyOf, inFolder, keyOf, perplexityOf } from './support.js';

type WithStore = (work: (store: MeasurementStore) => Promise<void> | void) => () => Promise<void>;

const onDisk: WithStore = (work) => () =>
  inFolder(async (folder) => {
    const store = await openStore(join(folder, 'deep', 'measurements.sqlite'));
    try {
      await work(store);
    } finally {
      store.close();
    }
  });
const inMemory: WithStore = (work) => async () => {
  await work(memoryStore());
};

for (const [name, withStore] of [
  ['on disk', onDisk],
  ['in memory', inMemory],
] as const) {
  describe(`store ${name}`, () => {
    it(
      'gives back what was put, floats bit for bit',
      withStore((store) => {
        const measurement = perplexityOf([0.1, -0, 5e-324, NaN, 1 / 3], [255, 0, 1, 2, 3]);
        const outcome = { measurement, bytes: 6_820_000, extras: { kl: 1e-300, flips: [0.5] } };
        assert.equal(store.get(keyOf('a')), undefined);
        const put = store.put(keyOf('a'), outcome);
        const got = store.get(keyOf('a'));
        assert.deepStrictEqual(got, put);
        assert.deepStrictEqual(
          { measurement: got.measurement, bytes: got.bytes, extras: got.extras },
          outcome,
        );
        assert.ok(Math.abs(Date.parse(put.createdAt) - Date.now()) < 60_000);
        assert.match(put.machine, /Node/);
      }),
    );

    it(
      'keeps random measurements exactly',
      withStore((store) => {
        fc.assert(
          fc.property(fc.double(), fc.array(fc.double()), (value, nll) => {
            const tokens = nll.map((_, index) => index);
            const measurement = { ...perplexityOf(nll, tokens), value };
            store.put(keyOf('random'), { measurement });
            assert.deepStrictEqual(store.get(keyOf('random'))?.measurement, measurement);
          }),
          { numRuns: 50 },
        );
      }),
    );

    it(
      'is not changed through the object that was put or got',
      withStore((store) => {
        const correct: (0 | 1)[] = [1, 1];
        store.put(keyOf('a'), { measurement: accuracyOf(1, correct) });
        correct[0] = 0;
        const got = store.get(keyOf('a'))!.measurement;
        assert.deepEqual(got, accuracyOf(1, [1, 1]));
        (got as { value: number }).value = 0;
        assert.equal(store.get(keyOf('a'))?.measurement.value, 1);
      }),
    );

    it(
      'replaces at a second put, and keeps extras of both',
      withStore((store) => {
        store.put(keyOf('a'), { measurement: accuracyOf(0.1), extras: { kl: 1, sqnr: 2 } });
        store.put(keyOf('b'), { measurement: accuracyOf(0.2) });
        store.put(keyOf('a'), { measurement: accuracyOf(0.3), extras: { kl: 3 } });
        assert.deepEqual(store.get(keyOf('a'))?.extras, { kl: 3, sqnr: 2 });
        assert.deepEqual(
          store.list().map(({ key, measurement }) => [key.plan, measurement.value]),
          [
            ['a', 0.3],
            ['b', 0.2],
          ],
        );
        assert.ok(store.has(keyOf('a'), ['kl', 'sqnr']));
        assert.ok(!store.has(keyOf('a'), ['flipRate']));
        assert.ok(store.has(keyOf('b')));
        assert.ok(!store.has(keyOf('b'), ['kl']));
        assert.ok(!store.has(keyOf('c')));
      }),
    );

    it(
      'lists by any field of the key, null included',
      withStore((store) => {
        const keys = [
          keyOf('a'),
          keyOf('b', { limit: null }),
          keyOf('c', { limit: null, context: 256, task: 'wikitext2' }),
        ];
        for (const key of keys) store.put(key, { measurement: accuracyOf(0.5) });
        const plans = (filter?: Parameters<MeasurementStore['list']>[0]) =>
          store.list(filter).map(({ key }) => key.plan);
        assert.deepEqual(plans(), ['a', 'b', 'c']);
        assert.deepEqual(plans({ limit: null }), ['b', 'c']);
        assert.deepEqual(plans({ limit: 1000 }), ['a']);
        assert.deepEqual(plans({ limit: null, task: 'wikitext2' }), ['c']);
        assert.deepEqual(plans({ plan: 'z' }), []);
        for (const key of keys) assert.deepEqual(plans({ ...key }), [key.plan]);
      }),
    );

    it(
      'measures once for many callers at once, and not again later',
      withStore(async (store) => {
        let measured = 0;
        const measure = async () => {
          await new Promise((resolve) => setImmediate(resolve));
          measured++;
          return { measurement: accuracyOf(0.7) };
        };
        const all = await Promise.all(
          Array.from({ length: 8 }, () => store.getOrMeasure(keyOf('a'), measure)),
        );
        assert.equal(measured, 1);
        assert.equal(all.filter(({ fresh }) => fresh).length, 1);
        for (const { measurement } of all) assert.equal(measurement.value, 0.7);
        assert.equal((await store.getOrMeasure(keyOf('a'), measure)).fresh, false);
        assert.equal(measured, 1);
      }),
    );

    it(
      'measures again for extras that are missing',
      withStore(async (store) => {
        store.put(keyOf('a'), { measurement: accuracyOf(0.7) });
        const measure = () =>
          Promise.resolve({ measurement: accuracyOf(0.7), extras: { kl: 0.25 } });
        const needs = ['kl'];
        assert.equal((await store.getOrMeasure(keyOf('a'), measure, { needs })).fresh, true);
        assert.equal((await store.getOrMeasure(keyOf('a'), measure, { needs })).fresh, false);
      }),
    );

    it(
      'lets a waiting caller take over when another fails; the error reaches only the one',
      withStore(async (store) => {
        const failing = store.getOrMeasure(keyOf('a'), () => Promise.reject(new Error('no GPU')));
        const waiting = store.getOrMeasure(keyOf('a'), () =>
          Promise.resolve({ measurement: accuracyOf(0.7) }),
        );
        await assert.rejects(failing, /no GPU/);
        assert.equal((await waiting).fresh, true);
      }),
    );

    it(
      'stops waiting when the signal fires',
      withStore(async (store) => {
        let finish = (): void => undefined;
        const atWork = new Promise<void>((resolve) => {
          finish = resolve;
        });
        const measuring = store.getOrMeasure(keyOf('a'), async () => {
          await atWork;
          return { measurement: accuracyOf(0.7) };
        });
        const abort = new AbortController();
        const never = () => Promise.reject(new Error('measured twice'));
        const waiting = store.getOrMeasure(keyOf('a'), never, { signal: abort.signal });
        abort.abort();
        await assert.rejects(waiting, AbortedError);
        finish();
        assert.equal((await measuring).fresh, true);
      }),
    );

    it(
      'keeps verdicts apart by key and by limit',
      withStore((store) => {
        const limit = { metric: 'accuracy', baseline: 0.777, allowedLoss: 0.02 } as const;
        const verdict = { passes: false, bound: 0.1 + 0.2 };
        assert.equal(store.verdict(keyOf('a'), limit), undefined);
        const put = store.putVerdict(keyOf('a'), limit, verdict);
        assert.deepStrictEqual(store.verdict(keyOf('a'), { ...limit }), put);
        assert.deepStrictEqual({ passes: put.passes, bound: put.bound }, verdict);
        assert.deepStrictEqual(put.key, keyOf('a'));
        const others = [
          store.verdict(keyOf('b'), limit),
          store.verdict(keyOf('a', { split: 'dev' }), limit),
          store.verdict(keyOf('a'), null),
          store.verdict(keyOf('a'), { ...limit, metric: 'perplexity' }),
          store.verdict(keyOf('a'), { ...limit, baseline: 0.778 }),
          store.verdict(keyOf('a'), { ...limit, allowedLoss: 0.05 }),
        ];
        assert.deepStrictEqual(others, new Array(others.length).fill(undefined));
        // It is no measurement.
        assert.equal(store.get(keyOf('a')), undefined);
        assert.deepEqual(store.list(), []);
      }),
    );

    it(
      'keeps verdicts without a limit, under an infinite one, and with a bound that is no number',
      withStore((store) => {
        const free = { metric: 'perplexity', baseline: 36, allowedLoss: Infinity } as const;
        store.putVerdict(keyOf('a'), free, { passes: true, bound: -0 });
        store.putVerdict(keyOf('a'), null, { passes: false, bound: NaN });
        const [first, second] = [store.verdict(keyOf('a'), free), store.verdict(keyOf('a'), null)];
        assert.deepStrictEqual([first?.passes, first?.bound], [true, -0]);
        assert.deepStrictEqual(first?.limit, free);
        assert.deepStrictEqual([second?.passes, second?.bound], [false, NaN]);
        store.putVerdict(keyOf('a'), free, { passes: false, bound: 1 });
        assert.equal(store.verdict(keyOf('a'), free)?.passes, false);
      }),
    );

    it(
      'keeps runs: create, list, show, update',
      withStore((store) => {
        const config = { task: 'sst2', bits: [8, 4], limit: null };
        const run = store.runs.create({ kind: 'search', config });
        const sweep = store.runs.create({ kind: 'sweep', config: null });
        assert.equal(run.state, 'running');
        assert.equal(run.finishedAt, null);
        assert.deepEqual(store.runs.show(run.id), run);
        assert.deepEqual(run.config, config);
        assert.deepEqual(store.runs.list(), [run, sweep]);
        const half = store.runs.update(run.id, { result: { done: 3 } });
        assert.equal(half.state, 'running');
        const done = store.runs.update(run.id, { state: 'finished' });
        assert.deepEqual(done.result, { done: 3 });
        assert.ok(done.finishedAt !== null && done.finishedAt >= done.startedAt);
        assert.deepEqual(store.runs.list({ state: 'finished' }), [done]);
        assert.deepEqual(store.runs.list({ kind: 'sweep' }), [sweep]);
        assert.equal(store.runs.show('none'), undefined);
        assert.throws(() => store.runs.update('none', {}), StoreError);
      }),
    );
  });
}

describe('store on disk, the file', () => {
  it('keeps its content over closing, and folds the log in', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const first = await openStore(path);
      first.put(keyOf('a'), { measurement: accuracyOf(0.1 + 0.2) });
      first.putVerdict(keyOf('b'), null, { passes: false, bound: 0.1 });
      const run = first.runs.create({ kind: 'search', config: {} });
      first.close();
      first.close();
      assert.ok(((await stat(`${path}-wal`).catch(() => undefined))?.size ?? 0) === 0);
      assert.throws(() => first.get(keyOf('a')), /the store is closed/);
      const second = await openStore(path);
      assert.equal(second.get(keyOf('a'))?.measurement.value, 0.1 + 0.2);
      assert.equal(second.verdict(keyOf('b'), null)?.bound, 0.1);
      assert.deepEqual(second.runs.show(run.id), run);
      assert.equal(second.setAside, undefined);
      second.close();
    }));

  it('of an older version gets what it lacks, and keeps what it has', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const old = await openStore(path);
      old.put(keyOf('a'), { measurement: accuracyOf(0.5) });
      const run = old.runs.create({ kind: 'search', config: {} });
      old.close();
      // What version 1 wrote: the same without verdicts.
      const connection = await Connection.open(path, 0);
      connection.exec('DROP TABLE verdicts; PRAGMA user_version = 1');
      connection.close();
      const store = await openStore(path);
      assert.equal(store.setAside, undefined);
      assert.equal(store.get(keyOf('a'))?.measurement.value, 0.5);
      assert.deepEqual(store.runs.show(run.id), run);
      store.putVerdict(keyOf('b'), null, { passes: true, bound: 1 });
      store.close();
      const again = await openStore(path);
      assert.equal(again.setAside, undefined);
      assert.equal(again.verdict(keyOf('b'), null)?.passes, true);
      again.close();
    }));

  it('is seen by a second store on the same file at once, and measured once by both', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const [first, second] = await Promise.all([openStore(path), openStore(path)]);
      first.put(keyOf('a'), { measurement: accuracyOf(0.5) });
      assert.ok(second.has(keyOf('a')));
      let measured = 0;
      const measure = async () => {
        measured++;
        await new Promise((resolve) => setImmediate(resolve));
        return { measurement: accuracyOf(0.7) };
      };
      const holders: number[] = [];
      const onWait = ({ pid }: { pid: number }) => holders.push(pid);
      await Promise.all([
        first.getOrMeasure(keyOf('b'), measure, { onWait }),
        second.getOrMeasure(keyOf('b'), measure, { onWait }),
      ]);
      assert.equal(measured, 1);
      assert.deepEqual(holders, [process.pid]);
      first.close();
      second.close();
    }));

  it('says that the disk is full, and loses nothing that was kept before', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const connection = await Connection.open(path, 0);
      configure(connection);
      createTables(connection);
      const store = new SqliteStore(path, connection);
      store.put(keyOf('a'), { measurement: accuracyOf(0.5) });
      // SQLite's own quota fails with the code of a full disk.
      connection.exec('PRAGMA max_page_count = 1');
      const large = { measurement: perplexityOf(new Array<number>(5000).fill(1), []) };
      assert.throws(
        () => store.put(keyOf('b'), large),
        (error) => error instanceof StoreError && /no space left/.test(error.message),
      );
      assert.equal(store.get(keyOf('a'))?.measurement.value, 0.5);
      connection.exec('PRAGMA max_page_count = 100000');
      store.put(keyOf('b'), large);
      store.close();
    }));

  it('says that another process holds the lock', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      (await openStore(path)).close();
      const [holder, waiter] = [await Connection.open(path, 0), await Connection.open(path, 0)];
      holder.exec('BEGIN IMMEDIATE');
      const store = new SqliteStore(path, waiter, { patienceMs: 50 });
      assert.throws(
        () => store.put(keyOf('a'), { measurement: accuracyOf(1) }),
        (error) => error instanceof StoreError && /locked by another process/.test(error.message),
      );
      holder.exec('COMMIT');
      store.put(keyOf('a'), { measurement: accuracyOf(1) });
      store.close();
      holder.close();
    }));

  it('waits for another program that holds the lock, and says so once', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const made = join(folder, 'made.sqlite');
      (await openStore(made)).close();
      // A copy: this process lets go of the original late.
      await copyFile(made, path);
      const news: string[] = [];
      const tell = (text: string): void => {
        news.push(text);
      };
      const store = await openStore(path, { tell });
      const other = await Connection.open(path, 0);
      other.exec('BEGIN IMMEDIATE');
      const measuring = store.getOrMeasure(keyOf('a'), () =>
        Promise.resolve({ measurement: accuracyOf(1) }),
      );
      await until(() => news.length === 1);
      other.exec('COMMIT');
      assert.equal((await measuring).measurement.value, 1);
      assert.equal(news.length, 1);
      assert.match(news[0], /m\.sqlite: locked by another process; waiting for it/);
      const stop = new AbortController();
      other.exec('BEGIN IMMEDIATE');
      const second = store.getOrMeasure(
        keyOf('b'),
        () => Promise.resolve({ measurement: accuracyOf(1) }),
        { signal: stop.signal },
      );
      await until(() => news.length === 2);
      stop.abort();
      await assert.rejects(second, AbortedError);
      other.exec('COMMIT');
      store.close();
      other.close();
    }));
});

/** Waits for something that has to come, ten seconds at most. */
async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!isSo()) {
    assert.ok(Date.now() < deadline, 'it never came');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
