import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAULTS, searchThrough, type Fault, type Place, type Resumed } from './support/faults.js';
import { CutOff } from './support/netns.js';
import {
  coordinatorKilled,
  hostileJobs,
  otherArithmetic,
  poisonShare,
  wrongBlob,
} from './support/odd-cases.js';
import { toyPlace } from './support/place.js';
import { hasRedis, TestRedis } from './support/redis.js';
import { hasReference, referencePaths } from './support/reference.js';

/*
 * Searches over a queue while things break: `npm run soak:queue -- [--times 10] [--only <part of a name>]`. Each
 * has to walk the path that one process walks, or end with the error that is its due; prints the seconds until work
 * went on, from the beginning of the fault. Then the reference's searches on real data, where the developers' shared
 * folder is there (`--only reference`).
 */

/** Seconds until work went on, where there is such a time. */
type Trial = (place: Place, time: number) => Promise<Partial<Resumed>>;

/** Longer than any trial takes on a busy machine: one that hangs is told, and the others go on. */
const PATIENCE_MS = 300_000;

async function withinPatience<T>(trial: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const told = new Error(`not over after ${PATIENCE_MS / 1000} s`);
    timer = setTimeout(() => reject(told), PATIENCE_MS);
  });
  return Promise.race([trial, late]).finally(() => clearTimeout(timer));
}

const CUT: Fault = {
  name: 'a network namespace is cut off for 10 s',
  workers: 2,
  strike: () => Promise.reject(new Error('the cable is told below')),
};

/** With a cable of its own. @returns undefined where this machine has none. */
async function cutOff(place: Place): Promise<Resumed | undefined> {
  const cable = await CutOff.make();
  if (cable === undefined) return undefined;
  const redis = await TestRedis.start(['--bind', '127.0.0.1', cable.address]);
  process.env['QSLM_QUEUE_PASSWORD'] = redis.password;
  try {
    const strike = async (): Promise<void> => {
      await cable.cut();
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      await cable.mend();
    };
    return await searchThrough({ ...place, redis }, { ...CUT, strike }, cable);
  } finally {
    process.env['QSLM_QUEUE_PASSWORD'] = place.redis.password;
    await redis.remove();
    await cable.remove();
  }
}

const TRIALS: readonly (readonly [string, Trial])[] = [
  ...FAULTS.map((fault) => [fault.name, (place: Place) => searchThrough(place, fault)] as const),
  [
    CUT.name,
    async (place) => {
      const resumed = await cutOff(place);
      if (resumed === undefined) throw new Error('this machine makes no network namespaces');
      return resumed;
    },
  ],
  [
    'the coordinator is killed and run again',
    async (place) => ({ seconds: await coordinatorKilled(place) }),
  ],
  ['a worker is handed a wrong blob', async (place) => ({ seconds: await wrongBlob(place) })],
  ['a share takes its workers down', async (place) => (await poisonShare(place), {})],
  ['a worker has other arithmetic', async (place) => (await otherArithmetic(place), {})],
  ['1,000 hostile jobs', async (place, time) => (await hostileJobs(place, 16 + 2 * time), {})],
];

/** On real data, once: what is to be seen is bits. */
async function references(redis: TestRedis): Promise<void> {
  for (const name of ['a1', 'b1'] as const) {
    const { steps, seconds } = await referencePaths(redis, name, [1, 2, 3]);
    const each = seconds.map((one, index) => `${index + 1}: ${one.toFixed(1)} s`).join(', ');
    console.log(`reference path ${name}: ${steps} steps, bit for bit with workers ${each}`);
  }
}

function valueOf(flag: string): string | undefined {
  const at = process.argv.indexOf(flag);
  return at < 0 ? undefined : process.argv[at + 1];
}

function summary(all: readonly number[], what: string): string {
  if (all.length === 0) return '';
  const sorted = [...all].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
  const each = sorted.map((one) => one.toFixed(1)).join(' ');
  return `; ${what} median ${median.toFixed(1)} s, maximum ${sorted.at(-1)!.toFixed(1)} s (${each})`;
}

async function main(): Promise<void> {
  if (!(await hasRedis())) {
    console.log('skipped: redis-server is missing');
    return;
  }
  const times = Number(valueOf('--times') ?? 10);
  const only = valueOf('--only') ?? '';
  const trials = TRIALS.filter(([name]) => name.includes(only));
  const folder = await mkdtemp(join(tmpdir(), 'qslm-soak-queue-'));
  const redis = await TestRedis.start();
  process.env['QSLM_QUEUE_PASSWORD'] = redis.password;
  let failed = 0;
  try {
    const place = { redis, ...(await toyPlace(folder, 'perplexity')) };
    for (const [name, trial] of trials) {
      const found: Partial<Resumed>[] = [];
      for (let time = 0; time < times; time++)
        try {
          found.push(await withinPatience(trial(place, time)));
        } catch (error) {
          failed++;
          console.log(`FAILED: ${name}: ${String(error)}`);
        }
      const seconds = found.flatMap((one) => one.seconds ?? []);
      const lasted = found.flatMap(({ lasted }) => (lasted === undefined ? [] : [lasted]));
      const longest =
        lasted.length === 0 ? '' : `, itself ${Math.max(...lasted).toFixed(1)} s at most`;
      console.log(
        `${name}: ${found.length} of ${times}${summary(seconds, 'work went on after')}${longest}`,
      );
    }
    if ('reference'.includes(only) && hasReference) await references(redis);
  } finally {
    await redis.remove();
    await rm(folder, { recursive: true, force: true });
  }
  process.exit(failed === 0 ? 0 : 1);
}

void main();
