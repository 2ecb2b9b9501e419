import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fineTune } from '../../src/experiment/training/train-run.js';
import { seededRandom } from '../../src/util/random.js';
import { inFolder } from '../experiment/study-support.js';
import { saveToy } from '../experiment/support.js';
import { killedRequest } from './kill-request.js';

const CHILD = join(__dirname, 'kill-child.ts');
/** Kills of the training; few, for time. Set to 10 when steps, the state or its file change. */
const KILLS = Number(process.env.QSLM_KILLS ?? 2);
/** Milliseconds between a step and the signal, at most: some fall into the writing of the state. */
const LATEST_MS = 40;
/** Steps that a process takes before it is killed, at most. */
const MOST_STEPS = 2;

/** Children still running: a failed test must not leave one behind. */
const running = new Set<ChildProcess>();

/** Runs the child until it is done, or kills it some milliseconds after a step. */
async function runChild(
  folder: string,
  threads: number,
  afterSteps: number,
  delay: number,
): Promise<string[]> {
  const child = spawn(process.execPath, ['--require', 'tsx/cjs', CHILD, folder, String(threads)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    lines.push(line);
    if (lines.length === afterSteps) void wait(delay).then(() => child.kill('SIGKILL'));
  });
  await Promise.all([once(child, 'exit'), once(reader, 'close')]);
  running.delete(child);
  return lines;
}

describe('fine-tuning that is killed', function () {
  this.timeout(120_000 + 60_000 * KILLS);
  after(() => {
    for (const child of running) child.kill('SIGKILL');
  });

  it(`ends with the same weights bit for bit, killed ${KILLS} times on 0 to 2 threads`, () =>
    inFolder(async (folder) => {
      const sentences = Array.from({ length: 24 }, (_, i) => `film ${i} is ${i * i}\t${i % 2}`);
      const table = (from: number): string =>
        ['sentence\tlabel', ...sentences.slice(from)].join('\n');
      await saveToy(join(folder, 'toy.safetensors'), {
        ...{ vocabSize: 4096, layers: 1, classes: 0, head: true },
      });
      await writeFile(join(folder, 'train.tsv'), table(0));
      await writeFile(join(folder, 'search.tsv'), table(12));
      const { model, request } = killedRequest(folder, 'whole.safetensors');
      await fineTune(model, request);

      const random = seededRandom(KILLS);
      let kills = 0;
      let last: string[] = [];
      while (last.at(-1)?.startsWith('end') !== true) {
        const steps = kills < KILLS ? random.integer(1, MOST_STEPS) : Infinity;
        // The state is no matter of threads: each process goes on with another number of them.
        const threads = (kills + 1) % 3;
        last = await runChild(folder, threads, steps, random.integer(0, LATEST_MS));
        if (last.at(-1)?.startsWith('end') !== true) kills++;
      }
      assert.equal(kills, KILLS);
      assert.equal(last.at(-1), 'end resumed');
      const [whole, killed] = await Promise.all(
        ['whole', 'killed'].map((name) => readFile(join(folder, `${name}.safetensors`))),
      );
      assert.ok(whole.equals(killed));
      const left = (await readdir(folder)).filter((name) => name.includes('training'));
      assert.deepEqual(left, [], 'the state, or a part of one, was left behind');
    }));
});
