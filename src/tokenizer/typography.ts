/** Quotation marks, apostrophe and ellipsis as natural text writes them. */
export interface Typography {
  readonly openDouble: string;
  readonly closeDouble: string;
  readonly openSingle: string;
  readonly closeSingle: string;
  readonly apostrophe: string;
  readonly ellipsis: string;
}

/** As in print: “ ” ‘ ’ …. */
export const PRINTED: Typography = {
  openDouble: '“',
  closeDouble: '”',
  openSingle: '‘',
  closeSingle: '’',
  apostrophe: '’',
  ellipsis: '…',
};

/** As a keyboard has them: " ' .... */
export const TYPEWRITTEN: Typography = {
  openDouble: '"',
  closeDouble: '"',
  openSingle: "'",
  closeSingle: "'",
  apostrophe: "'",
  ellipsis: '...',
};

/** Marks of print and what stands for them in the tokenized styles. */
export const PLAIN_MARKS: ReadonlyMap<string, string> = new Map([
  ['“', '"'],
  ['”', '"'],
  ['„', '"'],
  ['‘', "'"],
  ['’', "'"],
  ['‚', "'"],
  ['…', '...'],
]);

/** Words that begin with an apostrophe of their own, which therefore opens no quotation. */
export const ELISIONS: ReadonlySet<string> = new Set(['em', 'tis', 'twas', 'til', 'cause', 'bout']);

/** An ending whose apostrophe belongs to the word before: 's, 't, 're, 've, 'll, 'd, 'm. */
const CLITIC = /^'(?:s|t|re|ve|ll|d|m)$/iu;

/** Letters, with the combining signs that Unicode counts as alphabetic. */
export const LETTER = '\\p{Alphabetic}';
/** {@link LETTER}, and decimal digits. */
export const LETTER_OR_DIGIT = '\\p{Alphabetic}\\p{Nd}';

/** Space of any width within a line; the byte order mark is none. */
const SPACES = /[\t\v\f\r\p{Zs}\u2028\u2029]+/gu;
/** Invisible hints where a word may be divided. */
const SOFT_HYPHEN = /\u00AD/g;
const HYPHENS = /(?<=\S)[\u2010\u2011]|[\u2010\u2011](?=\S)/gu;

/** Marks of Windows-1252 that were read as if they were Latin-1: control characters no text has. */
const MISREAD: ReadonlyMap<string, string> = new Map([
  ['\u0085', '…'],
  ['\u0091', '‘'],
  ['\u0092', '’'],
  ['\u0093', '“'],
  ['\u0094', '”'],
  ['\u0096', '–'],
  ['\u0097', '—'],
]);

/** The text with the marks back that a wrong character set has made unreadable. */
export function repairMarks(text: string): string {
  return text.replace(/[\u0085\u0091-\u0097]/g, (mark) => MISREAD.get(mark) ?? mark);
}

/** The pieces of a line between spaces, with one kind of hyphen. */
export function chunksOf(line: string): string[] {
  const plain = line.replace(SOFT_HYPHEN, '').replace(HYPHENS, '-').replace(SPACES, ' ');
  return plain.split(' ').filter((chunk) => chunk !== '');
}

const OPENED = new RegExp(`^'[${LETTER_OR_DIGIT}]`, 'u');
const CLOSED = new RegExp(`[^\\s']'(?![${LETTER_OR_DIGIT}])`, 'u');

/**
 * For each chunk of a line whether an apostrophe at its beginning opens a quotation: then it is closed
 * there or further on, by an apostrophe at the end of a word. In the tokenized styles nothing ends so,
 * and `'s` stays whole.
 */
export function openingQuotes(chunks: readonly string[]): boolean[] {
  const lastClosed = chunks.findLastIndex((chunk) => CLOSED.test(chunk));
  return chunks.map(
    (chunk, index) => index <= lastClosed && OPENED.test(chunk) && !CLITIC.test(chunk),
  );
}
