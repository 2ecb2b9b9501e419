import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { Checkpoint } from '../../src/checkpoint/types.js';
import { Study, type StudyOptions, type StudyTask } from '../../src/experiment/open/study.js';
import { sst2Task, type Sst2Task } from '../../src/tasks/sst2.js';
import { wikitext2Task, type Wikitext2Task } from '../../src/tasks/wikitext2.js';
import { seededRandom } from '../../src/util/random.js';
import { deriveConfig, type ModelConfig, SpikeGPT } from '../support/spikegpt.js';
import { saveToy, type Change } from './support.js';

/** Runs `work` in a folder of its own, which goes afterwards. */
export async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'qslm-study-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Tokens as numbers between spaces. */
export const numbers = {
  encode: (text: string): Int32Array => Int32Array.from(text.trim().split(/\s+/), Number),
  byteLengthOf: (): number => 2,
};

function someNumbers(count: number, seed: number): string {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random.integer(0, 60)).join(' ');
}

/** Sentences without meaning; labels at random, or as given. */
export function toySentences(sentences = 40, seed = 5, labels?: readonly number[]): Sst2Task {
  const random = seededRandom(seed);
  const examples = Array.from({ length: sentences }, (_, index) => ({
    sentence: someNumbers(3 + (index % 7), seed * 1000 + index),
    label: labels?.[index] ?? random.integer(0, 1),
  }));
  return sst2Task({
    examples,
    tokenizer: numbers,
    source: 'toy sentences',
    paddingId: 1,
    batchTokens: 64,
  });
}

/**
 * The same with the labels that a model gives, but every tenth: it is nearly always right, and
 * quantization can only hurt.
 */
export async function sentencesOf(
  checkpoint: Checkpoint,
  sentences = 40,
  seed = 5,
): Promise<Sst2Task> {
  const zeros = toySentences(sentences, seed, new Array<number>(sentences).fill(0));
  const model = await SpikeGPT.load(checkpoint);
  try {
    const { correct } = await zeros.evaluate(model);
    const labels = correct.map((isZero, index) => (index % 10 === 9 ? isZero : 1 - isZero));
    return toySentences(sentences, seed, labels);
  } finally {
    model.dispose();
  }
}

/** A text without meaning in windows of 16. */
export function toyText(tokens = 16 * 12, seed = 5): Wikitext2Task {
  return wikitext2Task({
    text: someNumbers(tokens + 1, seed),
    tokenizer: numbers,
    source: 'toy text',
    context: 16,
    batchTokens: 64,
  });
}

export interface ToyStudy extends Partial<StudyOptions> {
  readonly kind?: 'sst2' | 'wikitext2';
  readonly config?: Partial<ModelConfig>;
  readonly change?: Change;
  /** Whether there is a held-out split too. */
  readonly judged?: boolean;
}

/** A study of a toy model on the running cpu backend, scored in this thread. */
export async function toyStudy(
  folder: string,
  { kind = 'sst2', config, change, judged = true, ...options }: ToyStudy = {},
): Promise<Study> {
  const isSst2 = kind === 'sst2';
  const path = join(folder, `toy-${kind}.safetensors`);
  await saveToy(path, isSst2 ? config : { classes: 0, ...config }, [], change);
  const checkpoint = await openCheckpoint(path);
  const description = await deriveConfig(checkpoint);
  const part = async (split: string, seed: number): Promise<StudyTask> => ({
    task: isSst2 ? await sentencesOf(checkpoint, 60, seed) : toyText(16 * 12, seed),
    split,
    ...(isSst2 ? {} : { context: 16 }),
  });
  return Study.open({
    file: { ...description, name: `toy-${kind}`, checkpoint },
    backend: { name: 'cpu', description: 'plain JavaScript' },
    search: await part('search', 5),
    ...(judged && { heldOut: await part('held-out', 6) }),
    accelerations: { workers: 0 },
    ...options,
  });
}

/** Closes a study and the file it was opened on. */
export async function closeStudy(study: Study): Promise<void> {
  await study.close();
  await study.options.file.checkpoint.close();
}
