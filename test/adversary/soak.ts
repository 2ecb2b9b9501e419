/*
 * npm run soak -- [--kills 100] [--seed N] [--seconds T] [--only NUMBER] [--jobs 2]
 * Small searches and exports, as processes of the command line that was built last, killed at random moments
 * (SIGKILL, Ctrl-C once and twice, SIGTERM), with their disk full or their files swapped below them, taken up
 * again until they are through, and held against ones that nothing disturbed: results, trace and rows of the
 * store the same, nothing half-written, no exit code that lies. Ends with 1 where one is not; its files and what
 * it was put through are kept, with the command that repeats it (choices repeat, the pace of the machine does not).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { KINDS, type Attempt } from './soak/attempt.js';
import { layGround, mountSmall } from './soak/ground.js';
import { killedSearch, Undisturbed } from './soak/killed-search.js';

/** How much is disturbed. */
export interface SoakOptions {
  /** Disturbances, after which no further search is begun. */
  readonly kills: number;
  readonly seed: number;
  /** Time after which no further search is begun. */
  readonly seconds?: number;
  /** The number of the only search. */
  readonly only?: number | undefined;
  /** Searches at a time. */
  readonly jobs?: number;
  /** Disturbances of one search at most. */
  readonly most?: number;
  readonly tell?: (line: string) => void;
}

/** The outcome of a soak. */
export interface Soaked {
  readonly searches: number;
  readonly faults: readonly string[];
  readonly attempts: readonly Attempt[];
  /** Disturbances that a living command got. */
  readonly kills: number;
}

/** Runs searches until there were enough disturbances. */
export async function soak({
  kills,
  seed,
  seconds = Infinity,
  only,
  jobs = 2,
  most,
  tell = () => undefined,
}: SoakOptions): Promise<Soaked> {
  const folder = await mkdtemp(join(tmpdir(), 'qslm-soak-'));
  const until = Date.now() + 1000 * seconds;
  const attempts: Attempt[] = [];
  const faults: string[] = [];
  const killsOf = (list: readonly Attempt[]): number =>
    list.filter(({ disturbedMs }) => disturbedMs !== undefined).length;
  let [next, searches] = [only ?? 0, 0];
  try {
    const ground = await layGround(join(folder, 'ground'));
    const undisturbed = new Undisturbed(ground, join(folder, 'undisturbed'));
    const lane = async (): Promise<void> => {
      while (killsOf(attempts) < kills && Date.now() < until && faults.length < 10) {
        const number = next++;
        if (only !== undefined && number > only) return;
        const kept = join('out', 'soak', `${seed}-${number}`);
        const report = await killedSearch(number, seed, {
          folder: join(folder, String(number)),
          ...{ kept, undisturbed },
          ...(most !== undefined && { most }),
        });
        attempts.push(...report.attempts);
        searches++;
        if (report.fault === undefined) continue;
        faults.push(report.fault);
        tell(`search ${number}: ${report.fault.split('\n').slice(0, 12).join('\n')}`);
        tell(`  kept in ${kept}; npm run soak -- --seed ${seed} --only ${number}`);
      }
    };
    await Promise.all(Array.from({ length: only === undefined ? jobs : 1 }, lane));
    return { searches, faults, attempts, kills: killsOf(attempts) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
      seconds: { type: 'string', default: 'Infinity' },
      only: { type: 'string' },
      jobs: { type: 'string', default: '2' },
    },
  });
  const began = Date.now();
  const { attempts, faults, kills, searches } = await soak({
    kills: Number(values.kills),
    seed: Number(values.seed),
    seconds: Number(values.seconds),
    only: values.only === undefined ? undefined : Number(values.only),
    jobs: Number(values.jobs),
    tell: console.log,
  });
  for (const kind of KINDS) {
    const own = attempts.filter((each) => each.kind === kind && each.disturbedMs !== undefined);
    const ends = new Map<string, number>();
    for (const { code, signal } of own) {
      const end = String(signal ?? code);
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
    const told = [...ends].map(([end, count]) => `${count} × ${end}`).join(', ');
    console.log(`${kind.padEnd(14)} ${String(own.length).padStart(4)}, ended with ${told}`);
  }
  const probe = await mkdtemp(join(tmpdir(), 'qslm-soak-'));
  const small = mountSmall(probe, 65536);
  if (typeof small === 'string')
    console.log(`disk full: not tried, a small file system cannot be mounted here (${small})`);
  else small();
  await rm(probe, { recursive: true, force: true });
  const minutes = ((Date.now() - began) / 60_000).toFixed(1);
  console.log(
    `${kills} kills of ${searches} searches in ${minutes} minutes, seed ${values.seed}: ` +
      `${faults.length} did not end as the undisturbed one`,
  );
  process.exitCode = faults.length > 0 || kills === 0 ? 1 : 0;
}

if (require.main === module) void main();
