import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSafetensors } from '../../src/checkpoint/safetensors/write.js';
import { type ModelConfig } from './spikegpt.js';
import { toyCheckpoint } from './toy.js';

/** Writes {@link toyCheckpoint} to a folder of its own, for what opens files (workers do). */
export async function writeToy(
  config: Partial<ModelConfig> = {},
  seed = 1,
): Promise<{ path: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'qslm-toy-'));
  const path = join(folder, 'model.safetensors');
  const toy = toyCheckpoint(config, seed);
  const tensors = [...toy.tensors.values()].map((info) => ({
    ...info,
    bytes: () => toy.readBytes(info.name),
  }));
  await writeSafetensors(path, tensors, toy.metadata);
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
}
