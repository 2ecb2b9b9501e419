import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBackend } from '../../../src/backend/start.js';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import { NO_ACCELERATIONS } from '../../../src/experiment/scoring/options.js';
import type { Task } from '../../../src/tasks/task.js';
import { search } from '../../experiment/accelerations-support.js';
import { sentencesOf, toyText } from '../../experiment/study-support.js';
import { writeToy } from '../../support/toy-file.js';
import type { Place } from './faults.js';

export type Kind = 'accuracy' | 'perplexity';

/** A toy in a folder of models, a task for it, and what this process finds alone. */
export async function toyPlace(folder: string, kind: Kind): Promise<Omit<Place, 'redis'>> {
  await startBackend('wasm');
  const toy = await writeToy({ classes: kind === 'accuracy' ? 2 : 0 }, 7);
  const path = join(folder, `${kind}.safetensors`);
  await copyFile(toy.path, path);
  await toy.remove();
  const task = await taskOf(kind, path);
  return { models: folder, path, task, plain: await search(path, task, NO_ACCELERATIONS) };
}

async function taskOf(kind: Kind, path: string): Promise<Task> {
  if (kind === 'perplexity') return toyText();
  const checkpoint = await openCheckpoint(path);
  try {
    return await sentencesOf(checkpoint, 60);
  } finally {
    await checkpoint.close();
  }
}
