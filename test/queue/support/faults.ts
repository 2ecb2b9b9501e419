import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { ALL_ACCELERATIONS } from '../../../src/experiment/scoring/options.js';
import type { Pool, PoolScores } from '../../../src/experiment/scoring/scorer-pool.js';
import { openQueue } from '../../../src/queue/open-queue.js';
import { keys } from '../../../src/queue/protocol/keys.js';
import type { Task } from '../../../src/tasks/task.js';
import { pathOf, search, type Outcome } from '../../experiment/accelerations-support.js';
import type { CutOff } from './netns.js';
import type { TestRedis } from './redis.js';
import { SLOW_SHARE } from './slow-share.js';
import { WorkerProcess } from './worker.js';

/** A search that is known, and the place where it is done again while things break. */
export interface Place {
  readonly redis: TestRedis;
  readonly models: string;
  readonly path: string;
  readonly task: Task;
  readonly plain: Outcome;
}

/** A fault that happens in the middle of a search. */
export interface Fault {
  readonly name: string;
  /** Workers at the beginning; of some one runs where it can be cut off. */
  readonly workers: number;
  /** True for one that happens between two evaluations, while the workers wait. */
  readonly idle?: boolean;
  /** Done while an evaluation is under way. */
  strike(place: Place, workers: WorkerProcess[]): Promise<void>;
}

/** What became of the evaluation that a fault happened in. */
export interface Resumed {
  /** From the beginning of the fault until its scores were there, in seconds. */
  readonly seconds: number;
  /** The time that the fault itself took. */
  readonly lasted: number;
}

/** The moment of an evaluation: within the share that is slow for this. */
const MOMENT_MS = 300;

/**
 * Searches while a fault happens, and holds the path to that of one process.
 *
 * @param cut where the first worker runs
 */
export async function searchThrough(place: Place, fault: Fault, cut?: CutOff): Promise<Resumed> {
  const { redis, models, path, task, plain } = place;
  const slow = { ...redis.environment, ODD: 'slow' };
  const start = (_: unknown, index: number): Promise<WorkerProcess> =>
    cut && index === 0
      ? WorkerProcess.start(redis.urlAt(cut.address), models, slow, [], cut.within)
      : WorkerProcess.start(redis.url, models, slow);
  const workers = await Promise.all(Array.from({ length: fault.workers }, start));
  let resumed: Resumed | undefined;
  const { openPool } = openQueue(redis.url);
  const strike = async (score: () => Promise<PoolScores>): Promise<PoolScores> => {
    if (!fault.idle) await pause(MOMENT_MS);
    const began = performance.now();
    const since = (): number => (performance.now() - began) / 1000;
    let lasted = 0;
    const struck = fault.strike(place, workers).then(() => {
      lasted = since();
    });
    if (fault.idle) await struck;
    const found = await score();
    const seconds = since();
    await struck;
    resumed = { seconds, lasted };
    return found;
  };
  const struck = async (pool: Pool): Promise<Pool> => {
    let evaluations = 0;
    return Promise.resolve({
      useTask: (next) => pool.useTask(next),
      close: () => pool.close(),
      score: async (request) => {
        if (evaluations++ !== SLOW_SHARE) return pool.score(request);
        const answer = fault.idle ? undefined : pool.score(request);
        // Its end is waited for below, and may be an error before.
        answer?.catch(() => undefined);
        return strike(() => answer ?? pool.score(request));
      },
    });
  };
  try {
    const ways = { ...ALL_ACCELERATIONS, memo: false, verdicts: false };
    const outcome = await search(path, task, ways, {
      openPool: async (options) => struck(await openPool(options)),
    });
    assert.deepEqual(pathOf(outcome, true), pathOf(plain, true), fault.name);
    assert.ok(resumed !== undefined);
    return resumed;
  } finally {
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await forgetWorkers(redis);
  }
}

/** What killed workers have left: the next search must not wait for them. */
export async function forgetWorkers(redis: TestRedis): Promise<void> {
  const client = new Redis({ port: redis.port, password: redis.password });
  const ids = await client.smembers(keys.workers);
  if (ids.length > 0) await client.del(ids.map((id) => keys.worker(id)));
  client.disconnect();
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'a worker is killed in a share',
    workers: 2,
    strike: (_place, workers) => workers[0].end('SIGKILL'),
  },
  {
    name: 'a worker is asked to end in a share',
    workers: 2,
    strike: (_place, workers) => workers[0].end('SIGTERM'),
  },
  {
    name: 'a worker is killed in a lease, between two shares',
    workers: 2,
    idle: true,
    strike: (_place, workers) => workers[0].end('SIGKILL'),
  },
  {
    name: 'a worker is killed before its first share',
    workers: 2,
    strike: async ({ redis, models }, workers) => {
      const third = await WorkerProcess.start(redis.url, models, redis.environment);
      workers.push(third);
      await third.end('SIGKILL');
      await workers[1].end('SIGKILL');
    },
  },
  {
    name: 'a worker stands still for 10 s, as one that is cut off',
    workers: 2,
    strike: async (_place, [worker]) => {
      worker.process.kill('SIGSTOP');
      await pause(10_000);
      worker.process.kill('SIGCONT');
    },
  },
  {
    name: 'Redis is away for 25 s',
    workers: 2,
    strike: async ({ redis }) => {
      await redis.down('SIGKILL');
      await pause(25_000);
      await redis.up();
    },
  },
  {
    name: 'Redis is away for 25 s while workers wait',
    workers: 2,
    idle: true,
    strike: async ({ redis }) => {
      await redis.down('SIGKILL');
      await pause(25_000);
      await redis.up();
    },
  },
  {
    name: 'the only worker is killed, and another one comes',
    workers: 1,
    strike: async ({ redis, models }, workers) => {
      await workers[0].end('SIGKILL');
      workers.push(await WorkerProcess.start(redis.url, models, redis.environment));
    },
  },
  {
    name: 'Redis is ended and starts again',
    workers: 2,
    strike: async ({ redis }) => {
      await redis.down('SIGTERM');
      await pause(500);
      await redis.up();
    },
  },
  {
    name: 'Redis is killed and starts again',
    workers: 2,
    strike: async ({ redis }) => {
      await redis.down('SIGKILL');
      await pause(500);
      await redis.up();
    },
  },
  {
    name: 'Redis loses everything',
    workers: 2,
    strike: async ({ redis }) => {
      const client = new Redis({ port: redis.port, password: redis.password });
      await client.flushall();
      client.disconnect();
    },
  },
  {
    name: 'texts by hash are overwritten with others',
    workers: 2,
    strike: async ({ redis }, workers) => {
      const client = new Redis({ port: redis.port, password: redis.password });
      for (const key of await client.keys(keys.blob('*')))
        await client.set(key, randomBytes(40).toString('hex'));
      client.disconnect();
      // A worker that comes now has to read it.
      await workers[0].end('SIGKILL');
    },
  },
];
