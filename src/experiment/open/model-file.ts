import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Checkpoint } from '../../checkpoint/types.js';
import { parseModelName } from '../../hub/catalogue.js';
import { cachedModel } from '../../hub/models.js';
import type { StatedConfig } from '../../model/config.js';
import { LoadedModel } from '../../model/loaded-model.js';
import { openDescribed, type ModelDescription } from '../../model/structure.js';
import type { WeightSource } from '../../quant/matrix-values.js';
import { checkVocabulary, loadTokenizer, type Tokenizer } from '../../tokenizer/tokenizer.js';
import { VOCABULARY_FILE } from '../../tokenizer/vocabulary-list.js';
import { CheckpointError, TokenizerError } from '../../util/errors.js';
import { packagePath } from '../../util/paths.js';
import type { RunOptions } from '../../util/progress.js';

/** The models that come with the package, by the name a user gives in place of a path. */
export const BUNDLED_MODELS = ['spikegpt-mini', 'spikegpt-mini-sst2'] as const;
export type BundledModel = (typeof BUNDLED_MODELS)[number];

/** The files in a folder of a converted model. */
export const CHECKPOINT_FILE = 'model.safetensors';
export const TOKENIZER_FILE = 'tokenizer.json';

/** A checkpoint by path or bundled name, and the name people know it by. */
export interface LocatedCheckpoint {
  readonly name: string;
  readonly path: string;
}

/**
 * The place of a model's checkpoint, from the name of a bundled model, a checkpoint file, a folder that
 * holds `model.safetensors`, or a name on the hub (`owner/name`, `owner/name@revision`) that was fetched. A
 * file or folder of that name wins.
 *
 * @throws {CheckpointError} when there is no such model, file or folder: with the command that gets it.
 */
export async function locateCheckpoint(model: string): Promise<LocatedCheckpoint> {
  const found = await stat(model).catch(() => undefined);
  if (found?.isDirectory())
    return { name: basename(resolve(model)), path: join(model, CHECKPOINT_FILE) };
  if (found !== undefined) return { name: nameOfFile(model), path: model };
  const bundled = BUNDLED_MODELS.find((name) => name === model);
  if (bundled !== undefined)
    return { name: bundled, path: packagePath('data', 'models', bundled, CHECKPOINT_FILE) };
  const fetched = await cachedModel(model);
  if (fetched !== undefined) return { name: fetched.name, path: fetched.path };
  const isName =
    parseModelName(model) !== undefined && !/\.(?:pth|pt|bin|safetensors)$/.test(model);
  const onHub = !isName ? '' : `\`qslm fetch model ${model}\`, or `;
  throw new CheckpointError({
    what: 'there is no such model',
    where: model,
    got: `neither a file nor a bundled ${onHub === '' ? '' : 'or fetched '}model`,
    expected: `${onHub}a checkpoint file, a folder with ${CHECKPOINT_FILE}, or ${BUNDLED_MODELS.join(', ')}`,
  });
}

/** "spikegpt-mini" for ".../spikegpt-mini/model.safetensors" and ".../spikegpt-mini.pth". */
function nameOfFile(path: string): string {
  const file = basename(path);
  return file === CHECKPOINT_FILE ? basename(dirname(resolve(path))) : file.replace(/\.[^.]+$/, '');
}

/**
 * Opens the tokenizer of a model: the file given, or the one beside the checkpoint ({@link tokenizersOf}).
 * Refuses one that can produce tokens the embedding does not have.
 *
 * @param path of the checkpoint
 * @throws {TokenizerError} when there is none, it cannot be read, or does not fit the model.
 */
export async function openTokenizer(
  path: string,
  { config }: Pick<ModelDescription, 'config'>,
  given: string | undefined,
): Promise<Tokenizer> {
  const file = given ?? (await findTokenizer(path));
  if (file === undefined)
    throw new TokenizerError({
      what: 'the tokenizer is missing',
      where: path,
      got: `no ${tokenizersOf(basename(path)).join(' and no ')} beside it`,
      expected: `${tokenizersBeside(path).join(' or ')}, or a path as \`tokenizer\``,
    });
  const tokenizer = await loadTokenizer(file);
  checkVocabulary(tokenizer, config.vocabSize, file);
  return tokenizer;
}

/**
 * Names under which the tokenizer of a checkpoint lies beside it, the first that is there being taken:
 * "small.tokenizer.json" of "small.safetensors", then `tokenizer.json`; the same of `vocab.txt`.
 */
export function tokenizersOf(checkpoint: string): string[] {
  const names = [TOKENIZER_FILE, VOCABULARY_FILE];
  if (checkpoint === CHECKPOINT_FILE) return names;
  const stem = checkpoint.replace(/\.[^.]+$/, '');
  return [...names.map((name) => `${stem}.${name}`), ...names];
}

/** The tokenizer that lies beside a checkpoint. @param path of the checkpoint */
export async function findTokenizer(path: string): Promise<string | undefined> {
  for (const beside of tokenizersBeside(path))
    if ((await stat(beside).catch(() => undefined)) !== undefined) return beside;
  return undefined;
}

function tokenizersBeside(path: string): string[] {
  return tokenizersOf(basename(path)).map((name) => join(dirname(path), name));
}

/** A model as its files: everything but the weights. */
export interface ModelFile extends ModelDescription {
  readonly name: string;
  /** A packed file of `export` gives the values that it stands for. */
  readonly checkpoint: Checkpoint & WeightSource;
  readonly tokenizer: Tokenizer;
  /** Closes the checkpoint. */
  close(): Promise<void>;
}

/** Settings of a model that its path does not give: its family's, and its tokenizer. */
export interface ModelOptions extends StatedConfig {
  /** Path of a tokenizer.json or vocab.txt; by default the one beside the checkpoint. */
  readonly tokenizer?: string | undefined;
}

/**
 * Opens a model's files and checks all that can be checked without reading weights.
 *
 * @param model a path or the name of a bundled model, as `locateCheckpoint` takes it.
 * @throws {CheckpointError} {TokenizerError} for files that are missing, damaged or do not fit.
 */
export async function openModelFile(
  model: string,
  { tokenizer: tokenizerPath, ...stated }: ModelOptions = {},
): Promise<ModelFile> {
  const { name, path } = await locateCheckpoint(model);
  const { checkpoint, description } = await openDescribed(path, stated);
  try {
    const tokenizer = await openTokenizer(path, description, tokenizerPath);
    return { ...description, name, checkpoint, tokenizer, close: () => checkpoint.close() };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** {@link ModelOptions}, and how its weights are held. */
export interface OpenOptions extends ModelOptions {
  /** True leaves the matrices of a packed file packed in memory; on the backend `wasm`, of a SpikeGPT. */
  readonly packed?: boolean | undefined;
}

/** A model ready to be evaluated, and the files it was made of. */
export interface OpenModel extends ModelFile {
  readonly model: LoadedModel;
  /** Frees the weights and closes the file. */
  close(): Promise<void>;
}

/**
 * Opens a model on the running backend: files, then weights.
 *
 * @throws as {@link openModelFile}. With `packed` {BackendError} for a backend without packed execution,
 *   {ModelError} for a family without, {QuantError} for a scheme without; {CheckpointError} for a plain file.
 */
export async function openModel(
  model: string,
  { packed = false, ...options }: OpenOptions = {},
  run: RunOptions = {},
): Promise<OpenModel> {
  const file = await openModelFile(model, options);
  try {
    const loading = { ...run, packed };
    const loaded = await LoadedModel.load(file.checkpoint, { description: file }, loading);
    return {
      ...file,
      model: loaded,
      close: async () => {
        loaded.dispose();
        await file.close();
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
