/**
 * What several workers of a queue are worth, on one machine: four figures, none of which is "so many machines".
 *
 *     npm run bench:queue [-- --tokens 8192 --plans 9 --rounds 3 --figures 1,2,3,4]
 *
 * 1. real: one worker against two, each on a processor of its own (taskset);
 * 2. throttled: four workers of 0.4 of a processor against one (cgroups; root);
 * 3. duplicated work: what a search computes over four seats, over what it computes over one: exact, whatever the load;
 * 4. simulated: times of batches, recorded here, dealt to 4, 8 and 16 seats with the measured overhead.
 *
 * Efficiency is the time of one over W times the time of W: medians of rounds, one and W in turns. Needs redis-server.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBackend } from '../src/backend/start.js';
import { openStudy } from '../src/experiment/open/open-study.js';
import type { Study } from '../src/experiment/open/study.js';
import { runUniform } from '../src/experiment/runs/uniform.js';
import { dealBatches, type Pool, type PoolOpener } from '../src/experiment/scoring/scorer-pool.js';
import { openQueue } from '../src/queue/open-queue.js';
import { tieredSearch } from '../src/search/tiers/tiers.js';
import { packagePath } from '../src/util/paths.js';
import { hasRedis, TestRedis } from '../test/queue/support/redis.js';
import { WorkerProcess } from '../test/queue/support/worker.js';
import { median } from './reference.js';

const { values: flags } = parseArgs({
  options: {
    tokens: { type: 'string', default: '8192' },
    plans: { type: 'string', default: '9' },
    rounds: { type: 'string', default: '3' },
    figures: { type: 'string', default: '1,2,3,4' },
  },
});
const TOKENS = Number(flags.tokens);
const PLANS = Number(flags.plans);
const ROUNDS = Number(flags.rounds);
/** Plans before those that count: seats are taken, code is compiled, and two are in flight all the time. */
const WARM = 3;
const BITS = [16, 14, 12, 10, 8, 7, 6, 5, 4].slice(0, PLANS);
const MODELS = packagePath('data', 'models');

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Each batch of each plan computed from the start: what is shared is then the same for any number of seats. */
function studyOver(openPool: PoolOpener | undefined, reuse = false): Promise<Study> {
  return openStudy('spikegpt-mini', {
    ...{ backend: 'wasm', task: 'wikitext2', limit: TOKENS },
    accelerations: { prefix: reuse, exit: reuse, verdicts: false, memo: false, workers: 0 },
    ...(openPool && { queue: { openPool } }),
  });
}

/** Milliseconds a plan, of those after the first few. */
async function timed(redis: TestRedis, seats: number): Promise<number> {
  const ends: number[] = [];
  const queue = openQueue(redis.url, { seats });
  const study = await studyOver(queue.openPool);
  try {
    const subject = study.measurable();
    await runUniform(
      {
        ...subject,
        measure: async (plan, bytes, options) => {
          const found = await subject.measure(plan, bytes, options);
          ends.push(performance.now());
          return found;
        },
      },
      { bits: BITS },
    );
    return (ends.at(-1)! - ends[WARM - 1]) / (ends.length - WARM);
  } finally {
    await study.close();
  }
}

async function withWorkers<T>(
  redis: TestRedis,
  withins: readonly (readonly string[])[],
  work: (workers: readonly WorkerProcess[]) => Promise<T>,
): Promise<T> {
  const workers: WorkerProcess[] = [];
  try {
    for (const within of withins)
      workers.push(await WorkerProcess.start(redis.url, MODELS, redis.environment, [], within));
    return await work(workers);
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
  }
}

/** One worker and so many, in turns, and what comes of it. */
async function inTurns(over: (count: number) => Promise<number>, count: number): Promise<string> {
  const ones: number[] = [];
  const many: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ones.push(await over(1));
    many.push(await over(count));
  }
  const each = ones.map((one, round) => percent(one / many[round] / count)).join(', ');
  const [one, all] = [median(ones), median(many)];
  return `1 worker ${seconds(one)} a plan, ${count} workers ${seconds(all)}: efficiency ${percent(one / all / count)} (rounds ${each})`;
}

async function real(redis: TestRedis): Promise<void> {
  if (cpus().length < 2 || spawnSync('taskset', ['--version']).status !== 0) {
    console.log('1. real: skipped, it takes two processors and taskset');
    return;
  }
  const pinned = (count: number): string[][] =>
    Array.from({ length: count }, (_, at) => ['taskset', '-c', String(at)]);
  const over = (count: number): Promise<number> =>
    withWorkers(redis, pinned(count), () => timed(redis, count));
  console.log(`1. real: ${await inTurns(over, 2)}`);
}

const CPU = '/sys/fs/cgroup/cpu';
const SHARE = 0.4;

/** Folders of groups that get so much of a processor; undefined where this machine makes none. */
function throttles(count: number): string[] | undefined {
  const made: string[] = [];
  try {
    for (let at = 0; at < count; at++) {
      const folder = join(CPU, `qslm-bench-${process.pid}-${at}`);
      mkdirSync(folder);
      made.push(folder);
      writeFileSync(join(folder, 'cpu.cfs_period_us'), '100000');
      writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(SHARE * 100_000));
    }
    return made;
  } catch {
    for (const folder of made) rmdirSync(folder);
    return undefined;
  }
}

async function throttled(redis: TestRedis): Promise<void> {
  const groups = existsSync(join(CPU, 'cpu.cfs_quota_us')) ? throttles(4) : undefined;
  if (groups === undefined) {
    console.log('2. throttled: skipped, this machine makes no groups of cgroups v1 (root?)');
    return;
  }
  try {
    const over = (count: number): Promise<number> =>
      withWorkers(
        redis,
        Array.from({ length: count }, () => []),
        async (workers) => {
          for (const [at, { process: child }] of workers.entries())
            writeFileSync(join(groups[at], 'cgroup.procs'), String(child.pid));
          return timed(redis, count);
        },
      );
    console.log(`2. throttled to ${SHARE} of a processor: ${await inTurns(over, 4)}`);
  } finally {
    for (const folder of groups) rmdirSync(folder);
  }
}

/** Work of a tiered search over so many seats of one worker. */
async function workOver(redis: TestRedis, seats: number): Promise<number> {
  const study = await studyOver(openQueue(redis.url, { seats }).openPool, true);
  try {
    const space = study.space({ granularity: 'module', quantizer: 'min-max' });
    const constraints = {
      loss: { kind: 'share', share: 0.03 },
      memory: { kind: 'share', share: 0.46 },
    } as const;
    const bits = [8, 6, 4];
    const { metric } = study.task;
    await tieredSearch(space, study.evaluator.evaluateIn(space), { metric, constraints, bits });
    const { work, fullWork } = study.evaluator.report();
    return work.done / fullWork;
  } finally {
    await study.close();
  }
}

async function duplicated(redis: TestRedis): Promise<void> {
  await withWorkers(redis, [[]], async () => {
    const [one, four] = [await workOver(redis, 1), await workOver(redis, 4)];
    console.log(
      `3. duplicated work: a search computes ${one.toFixed(3)} evaluations' worth over 1 seat, ${four.toFixed(3)} over 4: ${(four / one).toFixed(4)} times`,
    );
  });
}

/** Milliseconds of each batch, and of an evaluation over the queue beside its batches. */
async function recorded(
  redis: TestRedis,
): Promise<{ readonly batches: number[]; readonly tokens: number[]; readonly overhead: number }> {
  const study = await studyOver(undefined);
  const { batches } = study.task;
  const plan = new Map();
  const times: number[] = [];
  try {
    const score = (index: number): Promise<number> => study.evaluator.scoreSome(plan, [index], {});
    await score(0);
    for (const index of batches.keys()) {
      const runs: number[] = [];
      for (let run = 0; run < 3; run++) {
        const began = performance.now();
        await score(index);
        runs.push(performance.now() - began);
      }
      times.push(median(runs));
    }
  } finally {
    await study.close();
  }
  const smallest = times.indexOf(Math.min(...times));
  const overhead = await withWorkers(redis, [[]], async () => {
    let pool: Pool | undefined;
    const { openPool } = openQueue(redis.url, { seats: 1 });
    const over = await studyOver(async (options) => (pool = await openPool(options)));
    try {
      await over.evaluator.scoreSome(plan, [smallest], {});
      const found: number[] = [];
      for (let run = 0; run < 20; run++) {
        const began = performance.now();
        await pool!.score({ plan, batches: [smallest] });
        found.push(performance.now() - began - times[smallest]);
      }
      return Math.max(0, median(found));
    } finally {
      await over.close();
    }
  });
  return { batches: times, tokens: batches.map(({ inputs }) => inputs.ids.length), overhead };
}

async function simulated(redis: TestRedis): Promise<void> {
  const { batches, tokens, overhead } = await recorded(redis);
  const whole = batches.reduce((sum, one) => sum + one, 0);
  for (const seats of [4, 8, 16]) {
    const loads = dealBatches(tokens, seats).map((share) =>
      share.reduce((sum, index) => sum + batches[index], 0),
    );
    const bound = batches.length / seats / Math.ceil(batches.length / seats);
    const time = Math.max(...loads) + overhead;
    console.log(
      `4. simulated, ${seats} seats: efficiency ${percent(whole / seats / time)} (${batches.length} batches allow ${percent(bound)}; an evaluation ${seconds(whole)}, its overhead ${overhead.toFixed(0)} ms)`,
    );
  }
}

async function main(): Promise<void> {
  if (!(await hasRedis())) {
    console.log('skipped: redis-server is missing');
    return;
  }
  await startBackend('wasm');
  const [{ model }] = cpus();
  const load = loadavg()[0].toFixed(1);
  console.log(`${cpus().length} × ${model}, load ${load}; ${TOKENS} tokens, ${BITS.length} plans`);
  const redis = await TestRedis.start();
  process.env['QSLM_QUEUE_PASSWORD'] = redis.password;
  try {
    const figures = [real, throttled, duplicated, simulated];
    for (const figure of flags.figures.split(',')) await figures[Number(figure) - 1](redis);
    console.log(`load at the end ${loadavg()[0].toFixed(1)}`);
  } finally {
    await redis.remove();
  }
}

void main();
