import { chunksOf, ELISIONS, LETTER_OR_DIGIT, openingQuotes, repairMarks } from './typography.js';

/**
 * SST-2 (Socher et al., 2013; GLUE) is lower case, split as in the Penn Treebank. The rules are its
 * behaviour as the data shows it; the counts are occurrences in the 56,026 lines of train.tsv. One
 * sentence a line, so a period within the line is mostly an abbreviation's.
 */

/** Marks replaced before anything is split. Brackets other than round ones do not occur. */
const REPLACED: readonly (readonly [RegExp, string])[] = [
  [/[[{]/gu, '('],
  [/[\]}]/gu, ')'],
  // A dash between digits is a hyphen, any other is written --: 1,867.
  [/(?<=\p{Nd})[–—](?=\p{Nd})/gu, '-'],
  [/[–—]/gu, ' -- '],
  [/-{2,}/gu, ' -- '],
  [/…|\.{2,}/gu, ' ... '],
  // Quotation marks have a direction (`` 830, '' 818): opening at the beginning of a word.
  [/“|„|(?<=^|[\s(\-/])"(?=\S)/gu, ' `` '],
  [/[”"]/gu, " '' "],
  [/‘(?=\S)/gu, ' ` '],
  [/[’‘]/gu, "'"],
];

/** Two sentences without a space between them: "cute.But". */
const RUN_TOGETHER = /(?<=[\p{Ll}\p{Nd}])\.(?=\p{Lu}\p{Ll})/gu;

/** Set apart wherever they occur: , 22,124, ( 1,074, : 360, ; 243, ? 145, ! 109, $ 23, # 13. */
const SET_APART: readonly RegExp[] = [
  // Marks of exclamation and question stay together: ?!? 5.
  /[!?]+/gu,
  /[();$#%]/gu,
  // Not within 2,500 and 8:15.
  /(?<!\p{Nd})[,:]|[,:](?!\p{Nd})/gu,
];

/** Words that the Penn Treebank parts: `can not` 81, `gon na` 7, `wan na` 4. */
const PARTED: ReadonlyMap<string, readonly string[]> = new Map([
  ['cannot', ['can', 'not']],
  ['gonna', ['gon', 'na']],
  ['gotta', ['got', 'ta']],
  ['wanna', ['wan', 'na']],
]);

/** Parted from the word before: 's 7,468, n't 2,042, 're 332, 've 292, 'll 213, 'd 144, 'm 83. */
const CLITIC = new RegExp(`^(.*[${LETTER_OR_DIGIT}.])('(?:s|re|ve|ll|d|m))$`, 'u');
const NEGATION = /^(.+)(n't)$/u;

/** Keep their period within a sentence: `mr.` 130, `ms.` 74, `vs.` 31, `no.` 16, `etc.` 12. */
const ABBREVIATIONS: ReadonlySet<string> = new Set(
  'al bros co dr etc inc jr mr mrs ms no prof sept sr st vs wash'.split(' '),
);
/** Keep it everywhere, at the end as well: `j.` 20, `e.t.` 16, `u.s.` 6, `jason x.` */
const LETTERS_AND_PERIODS = /^(?:\p{L}\.)+\p{L}$|^\p{L}$/u;

/** A mark that may follow the period of a sentence. */
const CLOSES_SENTENCE = /^(?:['"`]+|\))$/u;

/** One sentence of natural text in the style of SST-2; a sentence in the style is given back as it is. */
export function sst2Tokens(sentence: string): string[] {
  const lower = repairMarks(sentence).replace(RUN_TOGETHER, ' . ').toLowerCase();
  const replaced = REPLACED.reduce((text, [pattern, mark]) => text.replace(pattern, mark), lower);
  const spaced = SET_APART.reduce((text, pattern) => text.replace(pattern, ' $& '), replaced);
  const chunks = chunksOf(spaced);
  const opensQuote = openingQuotes(chunks);
  const words = chunks.flatMap((chunk, index) => splitQuotes(chunk, opensQuote[index]));
  const last = words.findLastIndex((word) => !CLOSES_SENTENCE.test(word));
  return words.flatMap((word, index) => splitPeriod(word, index >= last)).flatMap(splitWord);
}

/** Single quotation marks around a word: ` 748 opens, ' 1,085 closes. */
function splitQuotes(chunk: string, opensQuote: boolean): string[] {
  if (chunk.length === 1 || /^['`]+$/u.test(chunk)) return [chunk];
  const rest = chunk.replace(/^'/u, '');
  const elided = ELISIONS.has(rest) || /^\d\ds?\b/u.test(rest) || /^n'?$/u.test(rest);
  if (opensQuote && !elided) return ['`', ...splitQuotes(rest, false)];
  // ol' and 'n' are words.
  if (/^(?:ol'|'n')$/u.test(chunk)) return [chunk];
  const closed = /^(.*[^'])'([.,]?)$/u.exec(chunk);
  return closed === null ? [chunk] : [closed[1], "'", closed[2]].filter((part) => part !== '');
}

/** The period of a sentence stands alone: the last one, and one within the line after a plain word. */
function splitPeriod(word: string, endsSentence: boolean): string[] {
  if (!/[^.]\.$/u.test(word)) return [word];
  const stem = word.slice(0, -1);
  if (LETTERS_AND_PERIODS.test(stem)) return [word];
  if (!endsSentence) return ABBREVIATIONS.has(stem) ? [word] : [stem, '.'];
  // At the end etc. is followed by a period of its own.
  return stem === 'etc' ? [word, '.'] : [stem, '.'];
}

function splitWord(word: string): string[] {
  const parted = PARTED.get(word);
  if (parted !== undefined) return [...parted];
  const parts = NEGATION.exec(word) ?? CLITIC.exec(word);
  return parts === null ? [word] : [parts[1], parts[2]];
}
