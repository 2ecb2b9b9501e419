import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SetupError } from './machine.js';

/*
 * Folders that are whole or absent. Each is made beside its place under the name of the process that makes
 * it and renamed; a killed setup leaves such a neighbour, which the next one removes.
 */

const PARTIAL = /\.(\d+)-[0-9a-f]{8}\.partial$/;
const partials = new Set<string>();

/** Removes what this process has not completed. */
export function removePartials(): void {
  for (const partial of partials) rmSync(partial, { recursive: true, force: true });
  partials.clear();
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Removes what processes that are no more have left in a folder. @returns the names. */
export function removeAbandoned(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const abandoned = readdirSync(folder).filter((name) => {
    const match = PARTIAL.exec(name);
    return match !== null && !lives(Number(match[1]));
  });
  for (const name of abandoned) rmSync(join(folder, name), { recursive: true, force: true });
  return abandoned;
}

/**
 * Makes a folder by filling a neighbour and renaming it. Where another setup was faster its folder stays,
 * since both would hold the same.
 */
export async function makeFolder(
  place: string,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  if (existsSync(place)) return;
  const name = `${basename(place)}.${process.pid}-${randomBytes(4).toString('hex')}.partial`;
  const partial = join(dirname(place), name);
  partials.add(partial);
  try {
    await mkdir(partial, { recursive: true });
    await fill(partial);
    await rename(partial, place).catch((error: unknown) => {
      if (!existsSync(place)) throw error;
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC')
      throw new SetupError(
        `no space left in ${dirname(place)}`,
        'free some, or set QSLM_HOME to a folder of another disk',
      );
    if (code === 'EACCES' || code === 'EROFS')
      throw new SetupError(message, 'set QSLM_HOME to a folder that may be written to');
    throw error;
  } finally {
    rmSync(partial, { recursive: true, force: true });
    partials.delete(partial);
  }
}
