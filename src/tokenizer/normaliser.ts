import { naturalPieces } from './from-wikitext.js';
import { sst2Tokens } from './to-sst2.js';
import { wikiTextTokens } from './to-wikitext.js';
import { PRINTED, type Typography } from './typography.js';

export { NaturalStream } from './natural-stream.js';
export { PRINTED, TYPEWRITTEN, type Typography } from './typography.js';

/**
 * Natural text, a paragraph or a heading a line, as WikiText has it: a space before and after each token,
 * ` \n` at the end of each line, empty lines as ` `. Text already in the style is left as it is, but for
 * printed quotation marks that stand at a word.
 */
export function toWikiText(text: string): string {
  if (text === '') return '';
  return text
    .split('\n')
    .map((line) => ` ${wikiTextTokens(line).join(' ')} `.replace(/^ {2}$/u, ' '))
    .join('\n')
    .replace(/\n $/u, '\n');
}

/**
 * The beginning of a text that a model is to continue, in WikiText's style: a space before each token,
 * none after the last, because the space belongs to the token that comes next.
 */
export function promptToWikiText(prompt: string): string {
  return toWikiText(prompt).replace(/ $/u, '');
}

/** A heading of WikiText, ` = Title = `; level 1 is the article's own, each level adds a mark. */
export function wikiTextHeading(title: string, level: number): string {
  const marks = Array.from({ length: level }, () => '=');
  return ` ${[...marks, ...wikiTextTokens(title), ...marks].join(' ')} `;
}

/**
 * Text in WikiText's style as people write it, for display. The way back from {@link toWikiText} where
 * the style says enough; what it leaves open (dashes with or without spaces, quotation marks inside
 * others) gets its commoner form.
 */
export function fromWikiText(text: string, marks: Typography = PRINTED): string {
  return text
    .split('\n')
    .map((line) => naturalPieces(line.split(' ').filter(Boolean), marks).join(''))
    .join('\n');
}

/** One sentence of natural text in the style of SST-2: lower case, split as in the Penn Treebank. */
export function toSst2(sentence: string): string {
  return sst2Tokens(sentence.replaceAll('\n', ' ')).join(' ');
}
