import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { ALL_ACCELERATIONS } from '../../../src/experiment/scoring/options.js';
import { arithmeticHere, arithmeticId } from '../../../src/queue/identity.js';
import { openQueue } from '../../../src/queue/open-queue.js';
import { PREFIX, seatQueue, seatsQueue } from '../../../src/queue/protocol/keys.js';
import { queueStatus } from '../../../src/queue/status.js';
import { QueueError } from '../../../src/util/errors.js';
import { packagePath } from '../../../src/util/paths.js';
import { pathOf, search, type Outcome } from '../../experiment/accelerations-support.js';
import { forgetWorkers, type Place } from './faults.js';
import { leaseOf, nonsenseJobs, shareOf } from './nonsense.js';
import { WorkerProcess } from './worker.js';

/*
 * Searches with workers and jobs that are not as they should be; each asserts what has to come of it, for the tests
 * and for `npm run soak:queue`.
 */

const WAYS = { ...ALL_ACCELERATIONS, memo: false, verdicts: false };

/** Starts workers of a place, and ends them when the work is over. */
async function withWorkers<T>(
  { redis, models }: Place,
  kinds: readonly ('plain' | 'bits' | 'dies')[],
  work: (workers: WorkerProcess[]) => Promise<T>,
): Promise<T> {
  const workers = await Promise.all(
    kinds.map((kind) => {
      const odd = kind === 'plain' ? {} : { ODD: kind };
      return WorkerProcess.start(redis.url, models, { ...redis.environment, ...odd });
    }),
  );
  try {
    return await work(workers);
  } finally {
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await forgetWorkers(redis);
  }
}

/** A worker whose bits are others is left out, says why, and the search is as without it. */
export function otherArithmetic(place: Place): Promise<void> {
  return withWorkers(place, ['bits', 'plain'], async ([odd]) => {
    const { openPool } = openQueue(place.redis.url);
    let refused: readonly { readonly reason: string }[] = [];
    const outcome = await search(place.path, place.task, WAYS, {
      openPool: async (options) => {
        const pool = await openPool(options);
        return {
          ...pool,
          close: async () => {
            ({ refused } = (await queueStatus(place.redis.url)).sessions[0]);
            await pool.close();
          },
        };
      },
    });
    assert.deepEqual(pathOf(outcome, true), pathOf(place.plain, true));
    assert.match(odd.said, /computes other bits/);
    assert.match(refused[0].reason, /computes other bits/);
    assert.equal(refused.length, 1);
  });
}

/** A share that takes three workers down ends the search with an error that names it; the fourth lives on. */
export function poisonShare(place: Place): Promise<void> {
  return withWorkers(place, ['dies', 'dies', 'dies', 'dies'], async (workers) => {
    const { openPool } = openQueue(place.redis.url, { seats: 1 });
    await assert.rejects(search(place.path, place.task, WAYS, { openPool }), (error) => {
      assert.ok(error instanceof QueueError);
      assert.match(error.message, /plan \w{16}, share 1 .*took its workers down; got 3 workers/);
      return true;
    });
    assert.equal(workers.filter(({ isAlive }) => isAlive).length, 1);
  });
}

/** 500 leases and 500 shares of nonsense: the worker stays up, and the search is as without them. */
export function hostileJobs(place: Place, seed = 16): Promise<void> {
  return withWorkers(place, ['plain'], async ([worker]) => {
    const { url, port, password } = place.redis;
    const connection = { port, password, maxRetriesPerRequest: null };
    const offers = new Queue(seatsQueue(arithmeticId(arithmeticHere('wasm'))), {
      connection,
      prefix: PREFIX,
    });
    await offers.addBulk(nonsenseJobs(leaseOf('a0'), 500, seed));
    let failed = 0;
    const { openPool } = openQueue(url);
    let evaluations = 0;
    const outcome = await search(place.path, place.task, WAYS, {
      openPool: async (options) => {
        const pool = await openPool(options);
        return {
          ...pool,
          score: async (request) => {
            if (evaluations++ !== 2) return pool.score(request);
            const [{ session }] = (await queueStatus(url)).sessions;
            const seat = new Queue(seatQueue(session, 0), { connection, prefix: PREFIX });
            await seat.addBulk(nonsenseJobs(shareOf(session), 500, seed + 1));
            // It comes after all of them.
            const answer = await pool.score(request);
            failed = await seat.getFailedCount();
            await seat.close();
            return answer;
          },
        };
      },
    });
    assert.deepEqual(pathOf(outcome, true), pathOf(place.plain, true));
    assert.ok(worker.isAlive);
    assert.equal(failed, 500);
    // The search's own last offers may still lie there when it ends; the worker that is left takes them too.
    for (let tries = 0; tries < 100 && (await offers.getWaitingCount()) > 0; tries++)
      await pause(100);
    assert.equal(await offers.getWaitingCount(), 0);
    // Some name a session that there could be, which is over.
    const { failed: refused, completed } = await offers.getJobCounts('failed', 'completed');
    assert.ok(refused > 300 && refused + completed >= 500, `${refused}, ${completed}`);
    await offers.obliterate({ force: true });
    await offers.close();
  });
}

/**
 * A worker is handed a file that is not what its session names: it says so, stays up, and takes part once the file is
 * right.
 *
 * @returns seconds from then until the whole search was done
 */
export async function wrongBlob(place: Place): Promise<number> {
  const { redis, path } = place;
  const folder = await mkdtemp(join(tmpdir(), 'qslm-blob-'));
  const right = await readFile(path);
  const wrong = Buffer.from(right);
  wrong[wrong.length - 1] ^= 1;
  const environment = { ...redis.environment, QSLM_HOME: join(folder, 'home') };
  const { openPool } = openQueue(redis.url, { handOut: { url: 'http://127.0.0.1:0' } });
  const walk = (): Promise<Outcome> => search(path, place.task, WAYS, { openPool });
  let worker: WorkerProcess | undefined;
  try {
    const refusal = assert.rejects(walk(), (error) => {
      assert.ok(error instanceof QueueError);
      const { message } = error;
      assert.match(message, /all workers have refused/);
      assert.match(message, /perplexity\.safetensors: what came is not the file that the session/);
      return true;
    });
    // Once the session is told of, the file has been hashed.
    while ((await queueStatus(redis.url)).sessions.length === 0) await pause(50);
    await writeFile(path, wrong);
    worker = await WorkerProcess.start(redis.url, folder, environment);
    await refusal;
    await writeFile(path, right);
    const began = performance.now();
    assert.deepEqual(pathOf(await walk(), true), pathOf(place.plain, true));
    assert.ok(worker.isAlive);
    return (performance.now() - began) / 1000;
  } finally {
    await writeFile(path, right);
    await worker?.end('SIGKILL');
    await forgetWorkers(redis);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Plans that are scored before the coordinator is killed. */
const SCORED_BEFORE = 4;

/**
 * A coordinator that is killed in the middle and run again goes on from its store, and ends as one that was not.
 *
 * @returns seconds from the second start until workers scored for it
 */
export function coordinatorKilled(place: Place): Promise<number> {
  return withWorkers(place, ['plain', 'plain'], async () => {
    const folder = await mkdtemp(join(tmpdir(), 'qslm-coordinator-'));
    const script = packagePath('test', 'queue', 'support', 'search-process.ts');
    const command = [script, place.redis.url, place.path, join(folder, 'store.db')];
    const run = async (until: RegExp): Promise<{ said: string; firstAfter: number }> => {
      const began = performance.now();
      const child = spawn(process.execPath, ['--import', 'tsx', ...command], {
        env: { ...process.env, ...place.redis.environment },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let [said, firstAfter] = ['', NaN];
      const gone = once(child, 'exit');
      child.stdout.on('data', (data: Buffer) => {
        said += data.toString();
        if (Number.isNaN(firstAfter) && /evaluated/.test(said))
          firstAfter = (performance.now() - began) / 1000;
        if (until.test(said)) child.kill('SIGKILL');
      });
      await gone;
      return { said, firstAfter };
    };
    try {
      const first = await run(new RegExp(`(evaluated\\s+){${SCORED_BEFORE}}`));
      assert.doesNotMatch(first.said, /path/);
      const { said, firstAfter } = await run(/path .*\n/);
      const found = JSON.parse(/path (.*)\n/.exec(said)![1]) as Found;
      assert.deepEqual(found.path, JSON.parse(JSON.stringify(pathOf(place.plain, true))));
      assert.ok(found.remembered >= SCORED_BEFORE - 1, `${found.remembered} from the store`);
      return firstAfter;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

interface Found {
  readonly path: object;
  readonly remembered: number;
}
