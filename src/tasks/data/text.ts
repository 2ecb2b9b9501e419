import { readFile } from 'node:fs/promises';
import { DataError } from '../../util/errors.js';

/**
 * The text of a UTF-8 file, without its byte order mark.
 *
 * @throws {DataError} when the file cannot be opened, is empty, or is not UTF-8.
 */
export async function readTextFile(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new DataError(
      { what: 'cannot be read', where: path, got: code, expected: 'a readable text file' },
      { cause: error },
    );
  }
  let text: string;
  try {
    // Fatal: a replacement character in place of a broken byte would be evaluated as if it were data.
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new DataError(
      { what: 'bytes that are not UTF-8', where: path, expected: 'UTF-8 text' },
      { cause: error },
    );
  }
  requireText(text, path);
  return text;
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
