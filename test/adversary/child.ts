/*
 * A process of its own for fuzz.ts: reads cases, one after another, and tells of each when it begins and how
 * it ended. Its parent ends it where a case takes too long or too much.
 *   child.ts <target> <seed> <first> <folder>      mutants from <first> on, for ever
 *   child.ts <target> repeat <folder of files> <folder>
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { QslmError } from '../../src/util/errors.js';
import { seededRandom } from '../../src/util/random.js';
import { casesOf } from './cases.js';
import { pick, type Files } from './mutate.js';
import { TorchReader } from './readers.js';
import { lay, TARGETS } from './targets.js';

/** The longest message of an error: what a file holds must not flood a terminal. */
const MOST_CHARACTERS = 20_000;

async function outcomeOf(
  target: string,
  files: Files,
  folder: string,
  torch: TorchReader | undefined,
): Promise<{ fault?: string; refused?: boolean }> {
  await lay(folder, files);
  try {
    await TARGETS[target].run({ folder, torch });
    return {};
  } catch (error) {
    if (!(error instanceof QslmError))
      return { fault: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    if (error.message.length > MOST_CHARACTERS)
      return { fault: `a message of ${error.message.length} characters` };
    return { refused: true };
  }
}

/** Files that a target begins with. */
export interface Beginnings {
  readonly seeds: readonly Files[];
  readonly cases: readonly Files[];
}

/** The seeds and the cases of a target. @param folder for what they are made of */
export async function beginningsOf(target: string, folder: string): Promise<Beginnings> {
  const made = join(folder, 'seeds');
  await lay(made, {});
  return { seeds: await TARGETS[target].seeds(made), cases: await casesOf(target, made) };
}

/** The mutant of a number: the same whenever it is asked for. */
export function mutantOf(
  target: string,
  { seeds, cases }: Beginnings,
  seed: number,
  index: number,
): Files {
  // As they are, first.
  if (index < seeds.length) return seeds[index];
  if (index < seeds.length + cases.length) return cases[index - seeds.length];
  const random = seededRandom(seed * 1_000_003 + index);
  return TARGETS[target].mutate(random, pick(random, seeds));
}

async function main([target, seed, first, folder]: readonly string[]): Promise<void> {
  const torch = ['pth', 'legacy', 'zip'].includes(target) ? TorchReader.find() : undefined;
  await torch?.start();
  const work = join(folder, 'case');
  if (seed === 'repeat') {
    const names = await readdir(first);
    const files = Object.fromEntries(
      await Promise.all(
        names.map(async (name) => [name, await readFile(join(first, name))] as const),
      ),
    );
    process.send!({ index: 0, ...(await outcomeOf(target, files, work, torch)), done: true });
    process.exit(0);
  }
  const beginnings = await beginningsOf(target, folder);
  for (let index = Number(first); ; index++) {
    process.send!({ index });
    const outcome = await outcomeOf(
      target,
      mutantOf(target, beginnings, Number(seed), index),
      work,
      torch,
    );
    process.send!({ index, ...outcome, done: true });
    // Let the messages out, and the parent's end in.
    if (index % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

if (require.main === module) void main(process.argv.slice(2));
