import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CHECKPOINT_FILE, TOKENIZER_FILE } from '../../experiment/open/model-file.js';
import { OutputError } from '../../util/errors.js';

/** The file that a model is written to. A path that ends in a separator, or is a folder, means a folder. */
export async function outputPath(out: string): Promise<string> {
  return (await isFolderPath(out)) ? join(out, CHECKPOINT_FILE) : out;
}

export async function isFolderPath(out: string): Promise<boolean> {
  return /[\\/]$/.test(out) || (await kindOf(out)) === 'folder';
}

/**
 * @param source the file that is read.
 * @throws {OutputError} when the path is the source's own, or taken and not to be replaced.
 */
export async function requireFree(path: string, source: string, force = false): Promise<void> {
  const kind = await kindOf(path);
  if (kind === 'nothing') return;
  const isSource = resolve(path) === resolve(source);
  if (!isSource && force) return;
  throw new OutputError({
    what: isSource ? 'the output is the input' : 'there is a file already',
    where: path,
    expected: isSource ? 'another path' : 'a new path, or --force to replace it',
  });
}

/** @throws {OutputError} when a file is where a folder is to be. */
export async function requireFolder(path: string): Promise<void> {
  if ((await kindOf(path)) !== 'file') return;
  throw new OutputError({
    what: 'cannot write',
    where: path,
    got: 'a file of that name',
    expected: 'a folder, or a path that is free',
  });
}

async function kindOf(path: string): Promise<'nothing' | 'folder' | 'file'> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return 'nothing';
  return found.isDirectory() ? 'folder' : 'file';
}

/** The path at which the tokenizer of a model in this file belongs. */
export function tokenizerBeside(model: string): string {
  return join(dirname(model), TOKENIZER_FILE);
}
