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

/** The mutant of a number: the same whenever it is asked for. */
export function mutantOf(
  target: string,
  seeds: readonly Files[],
  seed: number,
  index: number,
): Files {
  // The seeds themselves come first.
  if (index < seeds.length) return seeds[index];
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
  await lay(join(folder, 'seeds'), {});
  const seeds = await TARGETS[target].seeds(join(folder, 'seeds'));
  for (let index = Number(first); ; index++) {
    process.send!({ index });
    const outcome = await outcomeOf(
      target,
      mutantOf(target, seeds, Number(seed), index),
      work,
      torch,
    );
    process.send!({ index, ...outcome, done: true });
    // Let the messages out, and the parent's end in.
    if (index % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

if (require.main === module) void main(process.argv.slice(2));
