import { requireWords } from '../../tasks/data/text.js';
import { toWikiText } from '../../tokenizer/normaliser.js';
import type { Tokenizer } from '../../tokenizer/tokenizer.js';

/** Tokens beyond those asked for: the last ones of a part of a text may be others than in the whole. */
const SPARE_TOKENS = 64;

/**
 * A function that cuts the beginning out of a text that is read in pieces: the part that holds so many tokens,
 * or undefined where more has to be read.
 *
 * @throws {DataError} for a text without words.
 */
export function beginningOf(
  tokenizer: Tokenizer,
  limit: number,
  natural: boolean,
  where: string,
): (text: string) => string | undefined {
  return (text) => {
    const part = wholeParts(text, natural, where);
    const styled = natural ? toWikiText(part) : part;
    return tokenizer.encode(styled).length > limit + SPARE_TOKENS ? part : undefined;
  };
}

/** The beginning of a text up to the last space before a word, or of lines that are brought into a style. */
function wholeParts(text: string, natural: boolean, where: string): string {
  requireWords(text, where);
  if (natural) return text.slice(0, text.lastIndexOf('\n') + 1);
  let end = text.length;
  while (end > 0 && !/\s/.test(text[end - 1])) end--;
  return text.slice(0, Math.max(0, end - 1));
}
