import assert from 'node:assert/strict';
import { existsSync, watch, type FSWatcher } from 'node:fs';
import { copyFile, open, readdir, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { EXIT } from '../../../src/cli/exit-codes.js';
import type { Random } from '../../../src/util/random.js';
import { chance, start, type Ended, type Ground, type Place, type Started } from './ground.js';

/** The ways in which a command is disturbed. */
export const KINDS = [
  'SIGKILL',
  'SIGINT',
  'SIGTERM',
  'SIGINT twice',
  'disk full',
  'model swapped',
  'data swapped',
  'plan swapped',
] as const;
export type Kind = (typeof KINDS)[number];

/** One disturbed command, for the record of a failure. */
export interface Attempt extends Ended {
  readonly kind: Kind | 'none';
  /** When it was disturbed; undefined where it was through before. */
  readonly disturbedMs: number | undefined;
}

/** A time on which a command is disturbed: so long after its start, or at the so-manieth change of a file. */
type Moment = { readonly afterMs: number } | { readonly change: number };

function someMoment(random: Random, usualMs: number): Moment {
  return chance(random, 0.6)
    ? { afterMs: Math.round(usualMs * 1.05 * random.float()) }
    : { change: random.integer(1, 40) };
}

/** Resolves at the moment; never later than the end of the command. */
async function untilMoment(moment: Moment, { child, ended }: Started, place: Place): Promise<void> {
  const through = new AbortController();
  void ended.then(() => {
    through.abort();
  });
  if ('afterMs' in moment) {
    await wait(moment.afterMs, undefined, { signal: through.signal }).catch(() => undefined);
    return;
  }
  const watchers: FSWatcher[] = [];
  let left = moment.change;
  await new Promise<void>((resolve) => {
    through.signal.addEventListener('abort', () => {
      resolve();
    });
    const look = (folder: string): void => {
      if (!existsSync(folder)) return;
      watchers.push(
        watch(folder, (_, name) => {
          // A new run has a folder of its own.
          if (folder === place.runs && name !== null) look(join(folder, name));
          if (--left === 0) resolve();
        }),
      );
    };
    for (const folder of [place.runs, join(place.store, '..'), place.exports]) look(folder);
    void readdir(place.runs).then(
      (ids) => {
        for (const id of ids) look(join(place.runs, id));
      },
      () => undefined,
    );
    if (child.exitCode !== null) resolve();
  });
  for (const watcher of watchers) watcher.close();
}

/** Exit codes that a command may end with; a number of `signal`, or its end by that very signal. */
const MAY_END: Readonly<Record<Kind, readonly (number | NodeJS.Signals)[]>> = {
  SIGKILL: ['SIGKILL'],
  // The signal itself: before the command listened.
  SIGINT: [EXIT.interrupted, 'SIGINT'],
  SIGTERM: [EXIT.terminated, 'SIGTERM'],
  'SIGINT twice': [EXIT.interrupted, 'SIGINT'],
  'disk full': [EXIT.output],
  'model swapped': [EXIT.input],
  'data swapped': [EXIT.input],
  'plan swapped': [EXIT.input],
};

/** A command that lives on for longer after it was asked to stop was not about to end. */
const LEAVING_MS = 2000;

/**
 * Starts a command, disturbs it at a random moment, and waits for its end.
 *
 * @param usualMs the time that it takes undisturbed
 * @throws {AssertionError} for an exit code that lies, and for an end that is a defect of ours.
 */
export async function disturbed(
  argv: readonly string[],
  kind: Kind,
  { place, ground, random, usualMs }: Surroundings,
): Promise<Attempt> {
  const moment = someMoment(random, usualMs);
  const disturb = disturbance(kind, { place, ground, random, usualMs });
  const began = Date.now();
  const command = start(argv, place.folder);
  await untilMoment(moment, command, place);
  const living = command.child.exitCode === null && command.child.signalCode === null;
  const disturbedMs = living ? Date.now() - began : undefined;
  if (living) await disturb.begin(command);
  const ended = await command.ended;
  await disturb.end();
  const attempt: Attempt = { kind, disturbedMs, ...ended };
  requireHonest(attempt);
  return attempt;
}

/** Where and how a command is disturbed. */
export interface Surroundings {
  readonly place: Place;
  readonly ground: Ground;
  readonly random: Random;
  readonly usualMs: number;
}

function requireHonest(attempt: Attempt): void {
  const { kind, code, signal, stdout, stderr, ms, disturbedMs } = attempt;
  const said = `${kind}: ended with ${code ?? signal}; ${stderr.slice(-500)}`;
  assert.doesNotMatch(stderr, /defect of qslm/, said);
  if (code === 0) {
    assert.doesNotMatch(stderr, /stopping|interrupted/, `was asked to stop, ${said}`);
    assert.doesNotThrow(() => JSON.parse(stdout) as unknown, `no whole result, ${said}`);
    if (disturbedMs !== undefined && kind.startsWith('SIG'))
      assert.ok(ms - disturbedMs < LEAVING_MS, `did not hear, ${said}`);
    return;
  }
  assert.notEqual(disturbedMs, undefined, `before it was disturbed, ${said}`);
  assert.ok(MAY_END[kind as Kind].includes(code ?? signal!), said);
  // Asked to stop with all done: the result is whole, and the code still says that it was asked.
  if (stdout !== '')
    assert.doesNotThrow(() => JSON.parse(stdout) as unknown, `half a result, ${said}`);
}

interface Disturbance {
  begin(command: Started): Promise<void>;
  /** Puts all in order again. */
  end(): Promise<void>;
}

function disturbance(kind: Kind, { place, ground, random }: Surroundings): Disturbance {
  const nothing = (): Promise<void> => Promise.resolve();
  switch (kind) {
    case 'SIGKILL':
    case 'SIGINT':
    case 'SIGTERM':
      return {
        begin: ({ child }) => {
          child.kill(kind);
          return nothing();
        },
        end: nothing,
      };
    case 'SIGINT twice': {
      const between = random.integer(0, 100);
      return {
        begin: async ({ child }) => {
          child.kill('SIGINT');
          await wait(between);
          child.kill('SIGINT');
        },
        end: nothing,
      };
    }
    case 'disk full': {
      const filler = join(place.folder, 'filler');
      const free = random.integer(0, 10) * 4096;
      return {
        begin: () => fill(filler, free),
        end: () => rm(filler, { force: true }),
      };
    }
    case 'model swapped':
      return swapping(place.model, ground.models, random);
    case 'data swapped':
      return swapping(place.data, ground.data, random);
    case 'plan swapped':
      return swapping(place.plan, ground.plans, random);
    default:
      return kind satisfies never;
  }
}

/** Another file of that name, or other content in the same file. */
function swapping(
  path: string,
  { a, b }: Readonly<Record<'a' | 'b', string>>,
  random: Random,
): Disturbance {
  const inPlace = chance(random, 0.5);
  const put = async (from: string): Promise<void> => {
    if (inPlace) return copyFile(from, path);
    await copyFile(from, `${path}.new`);
    await rename(`${path}.new`, path);
  };
  return { begin: () => put(b), end: () => put(a) };
}

const FILL_BYTES = 64 * 1024;

/** Fills the file system that a file lies in, but for so many bytes. */
export async function fill(path: string, free: number): Promise<void> {
  const file = await open(path, 'w');
  let size = 0;
  try {
    for (const piece = Buffer.alloc(FILL_BYTES); ;) {
      const { bytesWritten } = await file.write(piece);
      size += bytesWritten;
    }
  } catch {
    // Full.
  } finally {
    await file.close();
  }
  await truncate(path, Math.max(0, size - free));
}
