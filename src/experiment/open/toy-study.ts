import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startBackend } from '../../backend/start.js';
import { openCheckpoint } from '../../checkpoint/open.js';
import { writeSafetensors } from '../../checkpoint/safetensors/write.js';
import type { Parameter } from '../../layout/layout.js';
import type { ModelConfig } from '../../model/config.js';
import { familyById } from '../../model/families.js';
import { LoadedModel } from '../../model/loaded-model.js';
import { statedMetadata, structureOf, type ModelStructure } from '../../model/structure.js';
import type { SequenceBatch } from '../../tasks/batching.js';
import { sst2Task, type Sst2Task } from '../../tasks/sst2.js';
import { UsageError } from '../../util/errors.js';
import { saveFile } from '../../util/files.js';
import { seededRandom, type Random } from '../../util/random.js';

/** A model to be made up, and its sentences. */
export interface ToyRequest {
  /** Id of a family that classifies and takes WordPiece tokens: "spikebert". */
  readonly family: string;
  /** All its settings; `classes` is 2. */
  readonly config: ModelConfig;
  /** Sentences in all, half of them to search on; 120 by default. */
  readonly sentences?: number;
  /** Words of a sentence at most; 9 by default. */
  readonly words?: number;
  /**
   * Sentences drawn for each one kept: those that the model is surest of. 1 by default. Random weights decide many
   * sentences by a hair, which any rounding then decides anew; trained ones do not.
   */
  readonly surest?: number;
  readonly seed?: number;
  /** The backend that answers the sentences; wasm by default. */
  readonly backend?: string;
}

/** Paths of a made-up model and its data. */
export interface ToyFiles {
  readonly model: string;
  /** Sentences to search on, and others to judge by, each a TSV. */
  readonly search: string;
  readonly heldOut: string;
  /** Parameters in use. */
  readonly parameters: number;
}

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const CLS = 2;
const SEP = 3;
const CONSONANTS = 'bdfgklmnprstvz';
const VOWELS = 'aeiou';
/** Of so many sentences one is given the other answer: a model that is never wrong could only lose. */
const TURNED = 10;

/**
 * Makes up a classifier of random weights and sentences of random words, whose labels are the model's own
 * answers but for one in ten: quantizing then costs accuracy. For trying things and for tests: nothing found
 * with it holds for a trained model. The same request gives the same files on one machine.
 *
 * @param folder made where it is not there
 * @throws {UsageError} for a family that cannot be made up like that
 */
export async function writeToyStudy(folder: string, request: ToyRequest): Promise<ToyFiles> {
  const { sentences: count = 120, words: most = 9, surest = 1 } = request;
  const { seed = 1, backend = 'wasm' } = request;
  const structure = structureOf(familyById(request.family), request.config);
  const { family, config } = structure;
  requireClassifier(structure);
  await mkdir(folder, { recursive: true });
  const model = join(folder, 'model.safetensors');
  const words = Array.from({ length: config.vocabSize - SPECIAL.length }, (_, at) => wordOf(at));
  await saveFile(join(folder, 'vocab.txt'), `${[...SPECIAL, ...words].join('\n')}\n`);

  const random = seededRandom(seed);
  const drawn = Array.from({ length: count * surest }, () => {
    const length = random.integer(3, most);
    return Array.from({ length }, () => random.integer(0, words.length - 1));
  });
  const sentences = drawn.map((places) => places.map((at) => words[at]).join(' '));
  const ids = new Map(words.map((word, at) => [word, at + SPECIAL.length]));
  const { length, poolings } = family.tokens(config);
  const task = sst2Task({
    examples: sentences.map((sentence) => ({ sentence, label: 0 })),
    tokenizer: {
      encode: (text) => Int32Array.from(text.split(' '), (word) => ids.get(word)!),
    },
    ...{ source: 'made up', paddingId: 0, before: [CLS], after: [SEP], pooling: poolings[0] },
    length: length === 'longest' ? undefined : length,
  });
  await startBackend(backend);
  await writeRandomModel(model, structure, seed);
  const { set, certainty } = await balancedBias(model, structure, task.batches);
  await writeRandomModel(model, structure, seed, set);
  const answers = await answersOf(model, task);
  const kept = largest(certainty, count);
  const lines = kept.map((place, at) => {
    const label = at % TURNED === TURNED - 1 ? 1 - answers[place] : answers[place];
    return `${sentences[place]}\t${label}\n`;
  });
  const [search, heldOut] = ['search.tsv', 'held-out.tsv'].map((name) => join(folder, name));
  const half = Math.ceil(count / 2);
  await saveFile(search, `sentence\tlabel\n${lines.slice(0, half).join('')}`);
  await saveFile(heldOut, `sentence\tlabel\n${lines.slice(half).join('')}`);
  return { model, search, heldOut, parameters: structure.hierarchy.parameters };
}

function requireClassifier({ family, config }: ModelStructure): void {
  const { tokenizer, after } = family.tokens(config);
  if (config.classes === 2 && tokenizer === 'WordPiece' && after.length > 0) return;
  throw new UsageError({
    what: 'a toy of this family cannot be made up',
    where: `family ${family.id}`,
    got: `${config.classes} classes, ${tokenizer} tokens`,
    expected: 'a classifier of 2 classes on WordPiece tokens',
  });
}

/** "babe", "babi", …: another word for every number. */
function wordOf(at: number): string {
  const syllables = CONSONANTS.length * VOWELS.length;
  const syllable = (rank: number): string =>
    CONSONANTS[Math.floor(rank / VOWELS.length)] + VOWELS[rank % VOWELS.length];
  const rest = Math.floor(at / syllables);
  return (rest === 0 ? '' : wordOf(rest - 1)) + syllable(at % syllables);
}

/**
 * Writes a model of random weights, the same for the same seed: matrices of a spread that keeps neurons between
 * silence and saturation, norms near 1, amplitudes that rise with the steps as training leaves them.
 *
 * @param set values of a parameter in place of random ones, by name
 */
export async function writeRandomModel(
  path: string,
  { family, config, layout }: ModelStructure,
  seed: number,
  set: ReadonlyMap<string, readonly number[]> = new Map(),
): Promise<void> {
  const random = seededRandom(seed);
  const tensors = layout.parameters.map((parameter) => {
    const drawn = drawnValues(parameter, random);
    const { name, shape } = parameter;
    const values = Float32Array.from(set.get(name) ?? drawn);
    const bytes = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(values.buffer));
    return { name, shape, dtype: 'float32' as const, bytes };
  });
  await writeSafetensors(path, tensors, statedMetadata({ family, config, sources: {} }));
}

function drawnValues({ name, shape, role }: Parameter, random: Random): Float32Array {
  const size = shape.reduce((product, length) => product * length, 1);
  const spread = shape.length === 2 ? 6 / Math.sqrt(shape[1]) : 1;
  const middle = role === 'vector' && name.endsWith('.weight') ? 1 : 0;
  const drawn = Float32Array.from({ length: size }, () => middle + spread * (random.float() - 0.5));
  // A scalar is an amplitude, the last of its name the step.
  return shape.length === 0 ? Float32Array.of(1.3 + 0.7 * Number(name.at(-1))) : drawn;
}

/** Places of the largest values, in their order. */
function largest(values: readonly number[], count: number): number[] {
  const places = values.map((_, place) => place);
  places.sort((one, other) => values[other] - values[one] || one - other);
  return places.slice(0, count).sort((one, other) => one - other);
}

interface Balanced {
  /** The classifier's bias, by its name. */
  readonly set: ReadonlyMap<string, readonly number[]>;
  /** Distance of the two logits of each sentence with that bias. */
  readonly certainty: readonly number[];
}

/** A bias of the classifier with which either class gets half of the sentences. */
async function balancedBias(
  path: string,
  { layout, config }: ModelStructure,
  batches: readonly SequenceBatch[],
): Promise<Balanced> {
  const isBias = ({ block, shape }: Parameter): boolean =>
    block === 'output' && shape.length === 1 && shape[0] === config.classes;
  const { name } = layout.parameters.find(isBias)!;
  const checkpoint = await openCheckpoint(path);
  try {
    const model = await LoadedModel.load(checkpoint);
    const margins: number[] = [];
    for (const { inputs, lengths, indices } of batches) {
      const { poolings } = model.description.family.tokens(config);
      const logits = await model.classLogits(inputs, lengths, poolings[0]);
      for (const [row, item] of indices.entries())
        margins[item] = logits[2 * row] - logits[2 * row + 1];
    }
    model.dispose();
    const middle = margins.toSorted((one, other) => one - other)[Math.floor(margins.length / 2)];
    const [first, second] = await checkpoint.readFloat32(name);
    return {
      set: new Map([[name, [first - middle, second]]]),
      certainty: margins.map((margin) => Math.abs(margin - middle)),
    };
  } finally {
    await checkpoint.close();
  }
}

/** The class that a model gives each sentence. */
async function answersOf(path: string, task: Sst2Task): Promise<number[]> {
  const checkpoint = await openCheckpoint(path);
  try {
    const model = await LoadedModel.load(checkpoint);
    const { correct } = await task.evaluate(model);
    model.dispose();
    // All labels are 0.
    return correct.map((isZero) => 1 - isZero);
  } finally {
    await checkpoint.close();
  }
}
