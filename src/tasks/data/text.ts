import { TextDecoder } from 'node:util';
import { DataError } from '../../util/errors.js';
import { formatBytes, formatCount } from '../../util/format.js';
import { readRegularFile, withRegularFile } from '../../util/read-file.js';

/** The longest string that the engine can hold is 512 MB, and tokens take more than their text. */
export const LARGEST_TEXT_BYTES = 256e6;

/** Without white space for so long it is no text: the longest words of any language have some hundreds. */
const LONGEST_WORD = 1 << 16;

/** Characters of a line at most, where data comes in lines. */
export const LONGEST_LINE = 1 << 20;

const READ = { Failure: DataError, missing: 'cannot be read' } as const;

/**
 * The text of a UTF-8 file, without its byte order mark.
 *
 * @throws {DataError} when it is no regular file, cannot be read, is empty, too large, or not UTF-8.
 */
export async function readTextFile(path: string): Promise<string> {
  const bytes = await readRegularFile(path, {
    ...READ,
    expected: 'a readable text file',
    mostBytes: LARGEST_TEXT_BYTES,
  });
  const text = decode(new TextDecoder('utf-8', { fatal: true }), bytes, path, false);
  requireText(text, path);
  return text;
}

/**
 * As much of a text file as is enough, read in pieces that double, so that a file of any size can be looked into.
 *
 * @param cut given the text so far, the part of it that is enough, or undefined for more
 * @returns what `cut` returned, or all of the text
 * @throws {DataError} as {@link readTextFile}; what comes after the part is not looked at.
 */
export function readTextUntil(
  path: string,
  cut: (text: string) => string | undefined,
): Promise<string> {
  const options = { ...READ, expected: 'a readable text file', mostBytes: Infinity };
  return withRegularFile(path, options, async (file) => {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    let text = '';
    for (let size = FIRST_PIECE_BYTES, read = 0; ; size *= 2) {
      const piece = Buffer.alloc(size - read);
      const { bytesRead } = await file.read(piece, 0, piece.length, read);
      text += decode(decoder, piece.subarray(0, bytesRead), path, bytesRead > 0);
      read += bytesRead;
      if (bytesRead === 0) break;
      const enough = cut(text);
      if (enough !== undefined) return enough;
      if (read >= LARGEST_TEXT_BYTES)
        throw new DataError({
          what: 'the part of the text that is asked for is too large',
          where: path,
          got: `more than ${formatBytes(read)}`,
          expected: `at most ${formatBytes(LARGEST_TEXT_BYTES)}: a smaller limit`,
        });
      // A short read: the rest of this size first.
      if (bytesRead < piece.length) size /= 2;
    }
    requireText(text, path);
    return text;
  });
}

const FIRST_PIECE_BYTES = 1 << 16;

function decode(decoder: TextDecoder, bytes: Uint8Array, where: string, stream: boolean): string {
  try {
    // Fatal: a replacement character in place of a broken byte would be evaluated as if it were data.
    return decoder.decode(bytes, { stream });
  } catch (cause) {
    const what = 'bytes that are not UTF-8';
    throw new DataError({ what, where, expected: 'UTF-8 text' }, { cause });
  }
}

/**
 * Refuses what has no words, which tokenizers take as one: memory and time grow faster than its length.
 *
 * @throws {DataError} for 2^16 characters without white space.
 */
export function requireWords(text: string, where: string): void {
  for (let from = 0; from + LONGEST_WORD < text.length;) {
    let at = from + LONGEST_WORD;
    while (at > from && !/\s/.test(text[at])) at--;
    if (at === from) {
      const got = `${formatCount(LONGEST_WORD)} characters without a space or a line end, from ${formatCount(from)} on`;
      throw new DataError({ what: 'no lines and no words', where, got, expected: 'text' });
    }
    from = at;
  }
}

/** A file's content. @throws {DataError} when it cannot be read; `expected` tells what should be there. */
export function readBytes(path: string, expected: string): Promise<Uint8Array> {
  return readRegularFile(path, { ...READ, expected, mostBytes: LARGEST_TEXT_BYTES });
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
