import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openStore } from '../../src/store/index.js';
import { Connection } from '../../src/store/sqlite/connection.js';
import { seededRandom } from '../../src/util/random.js';
import { accuracyOf, inFolder, keyOf } from './support.js';

const CHILD = join(__dirname, 'child.ts');

interface Child {
  readonly process: ChildProcess;
  /** Lines told so far. */
  readonly lines: string[];
  /** Resolves when `count` lines were told, or the process has ended. */
  told(count: number): Promise<void>;
  /** Resolves when the process has ended and all it told is in `lines`. */
  readonly ended: Promise<void>;
}

/** Children still running: a failed test must not leave one behind. */
const running = new Set<ChildProcess>();

function start(...words: string[]): Child {
  const child = spawn(process.execPath, ['--require', 'tsx/cjs', CHILD, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  let wake = (): void => undefined;
  reader.on('line', (line) => {
    lines.push(line);
    wake();
  });
  let over = false;
  const ended = Promise.all([once(child, 'exit'), once(reader, 'close')]).then(() => {
    over = true;
    running.delete(child);
    wake();
  });
  return {
    process: child,
    lines,
    ended,
    async told(count) {
      while (lines.length < count && !over)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    },
  };
}

describe('store shared by processes', function () {
  this.timeout(60_000);
  afterEach(() => {
    for (const child of running) child.kill('SIGKILL');
  });

  it('measures each key once', () =>
    inFolder(async (folder) => {
      const [path, log] = [join(folder, 'm.sqlite'), join(folder, 'measured.log')];
      const children = ['1', '2'].map((seed) => start('share', path, log, seed));
      await Promise.all(children.map(({ ended }) => ended));
      for (const { process: child } of children) assert.equal(child.exitCode, 0);
      const lines = (await readFile(log, 'utf8')).trim().split('\n');
      const measured = lines.map((line) => line.split(' ')[1]);
      assert.equal(measured.length, 40, 'measured twice, or not at all');
      assert.equal(new Set(measured).size, 40);
      const fresh = children.map(({ lines }) => Number(lines[0].split(' ')[1]));
      assert.equal(fresh[0] + fresh[1], 40);
      // Else this test would show nothing.
      assert.ok(fresh[0] > 0 && fresh[1] > 0, `one process measured all: ${fresh.join(', ')}`);
    }));

  it('hands the claim of a killed process to one that waits', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const child = start('hold', path, 'a');
      await child.told(1);
      const store = await openStore(path);
      assert.equal(store.runs.list()[0].state, 'running');
      const found = await store.getOrMeasure(
        keyOf('a'),
        () => Promise.resolve({ measurement: accuracyOf(0.7) }),
        {
          onWait: ({ pid }) => {
            assert.equal(pid, child.process.pid);
            child.process.kill('SIGKILL');
          },
        },
      );
      assert.equal(found.fresh, true);
      await child.ended;
      assert.equal(store.runs.list()[0].state, 'interrupted');
      store.close();
    }));

  it('loses nothing that put() returned for, whenever it is killed', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const random = seededRandom(20260101);
      const told: string[] = [];
      for (let round = 0; round < 10; round++) {
        const child = start('put', path, `round${round}-`);
        // Round 0 may be killed while it makes the file; later ones somewhere in their writes.
        await child.told(random.integer(round === 0 ? 0 : 1, 40));
        child.process.kill('SIGKILL');
        await child.ended;
        told.push(...child.lines);
        const store = await openStore(path);
        assert.equal(store.setAside, undefined);
        for (const plan of told) {
          const found = store.get(keyOf(plan));
          assert.ok(found, `lost ${plan}`);
          assert.equal(found.measurement.value, Number(plan.split('-')[1]) / 7);
        }
        store.close();
      }
      assert.ok(told.length > 10, `only ${told.length} puts in all rounds`);
      const connection = await Connection.open(path, 0);
      assert.equal(connection.get('PRAGMA integrity_check')?.integrity_check, 'ok');
      connection.close();
    }));

  it('is made once when several open it at the same time', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const children = Array.from({ length: 3 }, () => start('open', path));
      await Promise.all(children.map(({ ended }) => ended));
      for (const { lines } of children) assert.deepEqual(lines, ['opened']);
      const store = await openStore(path);
      assert.equal(store.list().length, 3);
      store.close();
    }));

  it('is set aside once when several find it damaged at the same time', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const made = await openStore(join(folder, 'made', 'm.sqlite'));
      made.close();
      const bytes = await readFile(join(folder, 'made', 'm.sqlite'));
      bytes[0] = 0;
      await writeFile(path, bytes);
      const children = Array.from({ length: 3 }, () => start('open', path));
      await Promise.all(children.map(({ ended }) => ended));
      const said = children.flatMap(({ lines }) => lines).sort();
      const aside = (await readdir(folder)).filter((name) => name.includes('damaged'));
      assert.deepEqual(said, ['opened', 'opened', `set aside ${join(folder, aside[0])}`]);
      assert.equal(aside.length, 1);
      const store = await openStore(path);
      assert.equal(store.list().length, 3);
      store.close();
    }));
});
