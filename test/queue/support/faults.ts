import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { ALL_ACCELERATIONS } from '../../../src/experiment/scoring/options.js';
import type { Pool } from '../../../src/experiment/scoring/scorer-pool.js';
import { openQueue } from '../../../src/queue/open-queue.js';
import { keys } from '../../../src/queue/protocol/keys.js';
import type { Task } from '../../../src/tasks/task.js';
import { pathOf, search, type Outcome } from '../../experiment/accelerations-support.js';
import type { TestRedis } from './redis.js';
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
  /** Workers at the beginning. */
  readonly workers: number;
  /** Done while an evaluation is under way. */
  strike(place: Place, workers: WorkerProcess[]): Promise<void>;
}

/** The evaluation during which a fault happens, and the moment in it. */
const STRUCK = 3;
const MOMENT_MS = 30;

/**
 * Searches while a fault happens, and holds the path to that of one process.
 *
 * @returns seconds from the end of the fault until the evaluation that it happened in was done
 */
export async function searchThrough(place: Place, fault: Fault): Promise<number> {
  const { redis, models, path, task, plain } = place;
  const start = (): Promise<WorkerProcess> =>
    WorkerProcess.start(redis.url, models, redis.environment);
  const workers = await Promise.all(Array.from({ length: fault.workers }, start));
  let resumed = NaN;
  const { openPool } = openQueue(redis.url);
  const struck = async (pool: Pool): Promise<Pool> => {
    let evaluations = 0;
    return Promise.resolve({
      useTask: (next) => pool.useTask(next),
      close: () => pool.close(),
      score: async (request) => {
        if (evaluations++ !== STRUCK) return pool.score(request);
        const answer = pool.score(request);
        await pause(MOMENT_MS);
        await fault.strike(place, workers);
        const ended = performance.now();
        try {
          return await answer;
        } finally {
          resumed = (performance.now() - ended) / 1000;
        }
      },
    });
  };
  try {
    const ways = { ...ALL_ACCELERATIONS, memo: false, verdicts: false };
    const outcome = await search(path, task, ways, {
      openPool: async (options) => struck(await openPool(options)),
    });
    assert.deepEqual(pathOf(outcome, true), pathOf(plain, true), fault.name);
    return resumed;
  } finally {
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await forgetWorkers(redis);
  }
}

/** What killed workers have left: the next search must not wait for them. */
async function forgetWorkers(redis: TestRedis): Promise<void> {
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
