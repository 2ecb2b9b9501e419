import { readFile } from 'node:fs/promises';
import { DataError } from '../../util/errors.js';
import { systemReason } from '../../util/system-errors.js';

/**
 * The text of a UTF-8 file, without its byte order mark.
 *
 * @throws {DataError} when the file cannot be opened, is empty, or is not UTF-8.
 */
export async function readTextFile(path: string): Promise<string> {
  const bytes = await readBytes(path, 'a readable text file');
  let text: string;
  try {
    // Fatal: a replacement character in place of a broken byte would be evaluated as if it were data.
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const what = 'bytes that are not UTF-8';
    throw new DataError({ what, where: path, expected: 'UTF-8 text' }, { cause });
  }
  requireText(text, path);
  return text;
}

/** A file's content. @throws {DataError} when it cannot be read; `expected` tells what should be there. */
export async function readBytes(path: string, expected: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const got = systemReason(cause);
    throw new DataError({ what: 'cannot be read', where: path, got, expected }, { cause });
  }
}

/** @throws {DataError} when the text has nothing but white space. */
export function requireText(text: string, where: string): void {
  if (text.trim().length > 0) return;
  throw new DataError({
    what: 'empty text',
    where,
    got: text.length === 0 ? 'no characters' : `${text.length} characters of white space`,
    expected: 'text to evaluate',
  });
}
