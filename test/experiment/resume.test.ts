import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { RUN_FILE, type RunJson, TRACE_JSON } from '../../src/experiment/record/schema.js';
import { openStore, type Run } from '../../src/store/index.js';
import { seededRandom } from '../../src/util/random.js';
import { inFolder } from './study-support.js';

const CHILD = join(__dirname, 'resume-child.ts');

/** Kills a test; few, for time. Set to 20 when the store, the evaluator or the runs change. */
const KILLS = Number(process.env.QSLM_KILLS ?? 4);

/** Children still running: a failed test must not leave one behind. */
const running = new Set<ChildProcess>();

/**
 * Runs the child until it is done, or kills it as soon as it has told so many times that a measurement begins
 * or ends; by the time the signal arrives, anything can be under way.
 */
async function runChild(folder: string, what: string, killAfter = Infinity): Promise<string[]> {
  const child = spawn(process.execPath, ['--require', 'tsx/cjs', CHILD, folder, what], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  const lines: string[] = [];
  let told = 0;
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    lines.push(line);
    if (line !== 'event') told++;
    if (told >= killAfter) child.kill('SIGKILL');
  });
  await Promise.all([once(child, 'exit'), once(reader, 'close')]);
  running.delete(child);
  return lines;
}

const begun = (lines: readonly string[]): string[] =>
  lines.filter((line) => line.startsWith('begin'));

async function isFinished(folder: string): Promise<boolean> {
  const store = await openStore(join(folder, 'm.sqlite'));
  const [run] = store.runs.list() as readonly (Run | undefined)[];
  store.close();
  return run?.state === 'finished';
}

/** The only run's folder: its files as text, but for what a time or a thread's pace is in. */
async function result(folder: string): Promise<unknown> {
  const ids = await readdir(join(folder, 'runs'));
  assert.equal(ids.length, 1, 'a killed run was begun anew');
  const run = join(folder, 'runs', ids[0]);
  const files: Record<string, unknown> = {};
  for (const name of (await readdir(run)).sort()) {
    assert.ok(!name.endsWith('.partial'), `half-written: ${name}`);
    const text = await readFile(join(run, name), 'utf8');
    if (name === RUN_FILE) {
      const { state, result: found, config } = JSON.parse(text) as RunJson;
      assert.equal(state, 'finished');
      files[name] = { found, config };
    } else if (name === TRACE_JSON) {
      files[name] = (JSON.parse(text) as { steps: TraceStep[] }).steps.map(decided);
    } else files[name] = text;
  }
  return files;
}

interface TraceStep {
  readonly candidate: boolean;
  readonly metric?: number;
  /** They come with a metric. */
  readonly low?: number;
  readonly high?: number;
  readonly bound?: number;
}

/**
 * A step without what is left open by its verdict: how far a plan that is no candidate was measured depends
 * on the order its items came in, which knows more of the baseline in the process that measured it.
 */
function decided({ metric, low, high, bound, ...step }: TraceStep): object {
  if (!step.candidate) return step;
  assert.equal(bound, undefined);
  return { ...step, metric, low, high };
}

describe('experiment, killed and started again', function () {
  this.timeout(600_000);
  afterEach(() => {
    for (const child of running) child.kill('SIGKILL');
  });

  const kinds = [
    ['search', 11],
    ['knapsack', 12],
    ['sweep', 13],
  ] as const;
  for (const [what, seed] of kinds)
    it(`a ${what} ends the same, and measures nothing twice but what was in flight`, () =>
      inFolder((whole) =>
        inFolder(async (folder) => {
          const uninterrupted = await runChild(whole, what);
          assert.equal(uninterrupted.at(-1), 'done');
          const random = seededRandom(seed);
          const all: string[] = [];
          let kills = 0;
          for (;;) {
            // On average so few that the kills are spread over the whole run.
            const most = Math.ceil((4 * begun(uninterrupted).length) / KILLS);
            const killAfter = kills < KILLS ? random.integer(1, most) : Infinity;
            const lines = await runChild(folder, what, killAfter);
            all.push(...lines);
            if (lines.at(-1) === 'done') break;
            kills++;
            // Killed when all was done: a further start would rightly begin another run.
            if (await isFinished(folder)) break;
          }
          assert.ok(kills > 1, `killed ${kills} times`);
          assert.deepEqual(await result(folder), await result(whole));
          const [once, more] = [begun(uninterrupted).length, begun(all).length];
          assert.ok(once > 10);
          assert.ok(more >= once, 'less was measured than is needed');
          assert.ok(more <= once + kills, `${more} begun, ${once} needed, ${kills} killed`);
          const store = await openStore(join(folder, 'm.sqlite'));
          assert.equal(store.setAside, undefined);
          assert.equal(store.runs.list().length, 1);
          store.close();
        }),
      ));
});
