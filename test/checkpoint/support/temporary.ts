import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import type { Checkpoint } from '../../../src/checkpoint/types.js';

/** A folder for the tests of one `describe`, removed after them. */
export function temporaryFolder(): (name: string) => string {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qslm-test-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}

/** Writes the bytes to `path`, opens them as a checkpoint, and closes it after `use`. */
export async function withCheckpoint<T>(
  path: string,
  bytes: Uint8Array,
  use: (checkpoint: Checkpoint) => Promise<T> | T,
): Promise<T> {
  await writeFile(path, bytes);
  const checkpoint = await openCheckpoint(path);
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

/** All values of a checkpoint, by name. */
export async function readAll(checkpoint: Checkpoint): Promise<Record<string, number[]>> {
  const all: Record<string, number[]> = {};
  for (const name of checkpoint.tensors.keys())
    all[name] = [...(await checkpoint.readFloat32(name))];
  return all;
}
