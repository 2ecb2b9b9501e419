import { readFile } from 'node:fs/promises';
import type { Tokenizer } from '../../tokenizer/tokenizer.js';
import { TokenizerError } from '../../util/errors.js';
import { saveFile } from '../../util/files.js';
import { sha256 } from '../../util/hash.js';

/**
 * Copies a tokenizer's file: the one that was opened and checked, or none.
 *
 * @throws {TokenizerError} where another file has taken its place. {OutputError} where it cannot be written.
 */
export async function copyTokenizer(
  { path, sha256: expected }: Pick<Tokenizer, 'path' | 'sha256'>,
  to: string,
): Promise<void> {
  const bytes = await readFile(path).catch(() => undefined);
  const found = bytes === undefined ? 'no file' : `sha256 ${sha256(bytes)}`;
  if (bytes === undefined || found !== `sha256 ${expected}`)
    throw new TokenizerError({
      what: 'the file was changed while it was in use',
      where: path,
      got: found,
      expected: `sha256 ${expected}, as before`,
    });
  await saveFile(to, bytes);
}
