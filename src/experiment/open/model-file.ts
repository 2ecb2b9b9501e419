import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Checkpoint } from '../../checkpoint/types.js';
import { deriveConfig, type ConfigFlags, type ConfigReport } from '../../model/spikegpt/config.js';
import { checkParameters, parametersOf } from '../../model/spikegpt/parameters.js';
import { SpikeGPT } from '../../model/spikegpt/model.js';
import { hierarchyOf, type Hierarchy } from '../../quant/hierarchy.js';
import { openAnyCheckpoint } from '../../quant/packed/read.js';
import { checkVocabulary, loadTokenizer, type Tokenizer } from '../../tokenizer/tokenizer.js';
import { CheckpointError, TokenizerError } from '../../util/errors.js';
import { packagePath } from '../../util/paths.js';
import type { RunOptions } from '../../util/progress.js';

/** The models that come with the package, by the name a user gives in place of a path. */
export const BUNDLED_MODELS = ['spikegpt-mini', 'spikegpt-mini-sst2'] as const;
export type BundledModel = (typeof BUNDLED_MODELS)[number];

/** What a folder of a converted model holds. */
export const CHECKPOINT_FILE = 'model.safetensors';
export const TOKENIZER_FILE = 'tokenizer.json';

/** A checkpoint by path or bundled name, and the name people know it by. */
export interface LocatedCheckpoint {
  readonly name: string;
  readonly path: string;
}

/**
 * Where a model's checkpoint lies: the name of a bundled model, a checkpoint file, or a folder that
 * holds `model.safetensors`. A file or folder of that name wins over a bundled model.
 *
 * @throws {CheckpointError} when there is no such model, file or folder.
 */
export async function locateCheckpoint(model: string): Promise<LocatedCheckpoint> {
  const found = await stat(model).catch(() => undefined);
  if (found?.isDirectory())
    return { name: basename(resolve(model)), path: join(model, CHECKPOINT_FILE) };
  if (found !== undefined) return { name: nameOfFile(model), path: model };
  const bundled = BUNDLED_MODELS.find((name) => name === model);
  if (bundled !== undefined)
    return { name: bundled, path: packagePath('data', 'models', bundled, CHECKPOINT_FILE) };
  throw new CheckpointError({
    what: 'there is no such model',
    where: model,
    got: 'neither a file nor a bundled model',
    expected: `a checkpoint file, a folder with ${CHECKPOINT_FILE}, or ${BUNDLED_MODELS.join(', ')}`,
  });
}

/** "spikegpt-mini" for ".../spikegpt-mini/model.safetensors" and ".../spikegpt-mini.pth". */
function nameOfFile(path: string): string {
  const file = basename(path);
  return file === CHECKPOINT_FILE ? basename(dirname(resolve(path))) : file.replace(/\.[^.]+$/, '');
}

/**
 * Opens the tokenizer of a model: the file given, or `tokenizer.json` beside the checkpoint. Refuses one
 * that can produce tokens the embedding does not have.
 *
 * @throws {TokenizerError} when there is none, it cannot be read, or does not fit the model.
 */
export async function openTokenizer(
  checkpoint: Checkpoint,
  given: string | undefined,
): Promise<Tokenizer> {
  const path = given ?? join(dirname(checkpoint.path), TOKENIZER_FILE);
  if (given === undefined && (await stat(path).catch(() => undefined)) === undefined)
    throw new TokenizerError({
      what: 'the tokenizer is missing',
      where: checkpoint.path,
      got: `no ${TOKENIZER_FILE} beside it`,
      expected: `${path}, or --tokenizer FILE`,
    });
  const tokenizer = await loadTokenizer(path);
  const rows = checkpoint.tensors.get('emb.weight')?.shape[0];
  if (rows !== undefined) checkVocabulary(tokenizer, rows, path);
  return tokenizer;
}

/** A model as its files: everything but the weights. */
export interface ModelFile {
  readonly name: string;
  /** A packed file of `export` gives the values that it stands for. */
  readonly checkpoint: Checkpoint;
  readonly tokenizer: Tokenizer;
  readonly report: ConfigReport;
  readonly hierarchy: Hierarchy;
  close(): Promise<void>;
}

export interface OpenModelOptions extends ConfigFlags, RunOptions {
  /** Path of a tokenizer.json; by default the one beside the checkpoint. */
  readonly tokenizer?: string | undefined;
}

/**
 * Opens a model's files and checks all that can be checked without reading weights.
 *
 * @param model a path or the name of a bundled model, as {@link locateCheckpoint} takes it.
 * @throws {CheckpointError} {TokenizerError} for files that are missing, damaged or do not fit.
 */
export async function openModelFile(
  model: string,
  { tokenizer: tokenizerPath, ...flags }: ConfigFlags & Pick<OpenModelOptions, 'tokenizer'> = {},
): Promise<ModelFile> {
  const { name, path } = await locateCheckpoint(model);
  const checkpoint = await openAnyCheckpoint(path);
  try {
    const report = await deriveConfig(checkpoint, flags);
    const parameters = parametersOf(report.config);
    checkParameters(checkpoint, parameters);
    const tokenizer = await openTokenizer(checkpoint, tokenizerPath);
    const hierarchy = hierarchyOf(parameters);
    return { name, checkpoint, tokenizer, report, hierarchy, close: () => checkpoint.close() };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** A model ready to be evaluated, and what it was made of. */
export interface OpenModel extends ModelFile {
  readonly model: SpikeGPT;
  /** Frees the weights and closes the file. */
  close(): Promise<void>;
}

/**
 * Opens a model on the running backend: files, then weights.
 *
 * @throws as {@link openModelFile}.
 */
export async function openModel(model: string, options: OpenModelOptions = {}): Promise<OpenModel> {
  const file = await openModelFile(model, options);
  try {
    const loaded = await SpikeGPT.load(file.checkpoint, options);
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
