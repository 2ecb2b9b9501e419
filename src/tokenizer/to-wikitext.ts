import {
  chunksOf,
  ELISIONS,
  LETTER as PLAIN_LETTER,
  openingQuotes,
  PLAIN_MARKS,
  repairMarks,
} from './typography.js';

/**
 * WikiText (Merity et al., 2016) was split with the tokenizer of the Moses toolkit, hyphens included,
 * and its numbers taken apart at their separators. The rules below are that behaviour as the data shows
 * it: the counts are occurrences in WikiText-2's train.txt. Two are added so that text already in the
 * style stays as it is: what stands alone is kept, and an apostrophe opens a quotation only when it is
 * closed again.
 */

/** Tokens of the style that the rules would take apart. */
const KEPT: ReadonlySet<string> = new Set(['@-@', '@,@', '@.@']);

/**
 * Stand-ins for words and numbers, which a model writes as well. While a line is taken apart, one private
 * character is in the place of each and counts as a letter and as a digit.
 */
const STAND_INS: readonly (readonly [string, string])[] = [
  ['<unk>', '\uE000'],
  ['<formula>', '\uE001'],
];
const LETTER = `${PLAIN_LETTER}\\uE000\\uE001`;
const DIGIT = '\\p{Nd}\\uE000';
const LETTER_OR_DIGIT = `${LETTER}\\p{Nd}`;

/**
 * Abbreviations that keep their period before a capital letter: `St.` 233, `Dr.` 115, `Mr.` 85,
 * `Op.` 68, `vs.` 39, `Mrs.` 27, `v.` 26, `Bros.` 15, `Ms.` 12, `Lt.` 10, and the other titles with which
 * Moses does the same. Not among them, in spite of their use: `etc .` 20, `Vol .` 25, `Fig .` 17,
 * `Mt .` 4. Single capital letters (`A.` 281) and what has a period inside (`U.S.` 394) always keep it.
 */
const ABBREVIATIONS: ReadonlySet<string> = new Set(
  (
    'Adm Brig Bros Capt Cmdr Col Corp Cpl Dr Drs Gen Gov Hon Lt Maj Messrs Mlle Mme Mr Mrs Ms Msgr ' +
    'Op Pfc Ph Prof Pvt Rep Reps Rev Rt Sen Sens Sgt Sr St Supt v vs'
  ).split(' '),
);

/** Abbreviations that keep their period before a number: `No.` 305, `pp.` 18, `Nos.` 12, `Nr.` 6. */
const NUMBERED: ReadonlySet<string> = new Set(['No', 'Nos', 'Nr', 'Art', 'pp']);

/** Taken apart in this order, within a chunk that has a space on either side. */
const RULES: readonly (readonly [RegExp, string])[] = [
  // Everything but letters, digits and . ' ` , - stands alone: ( ) " : ; ! ? % $ / – — ° …
  [new RegExp(`[^${LETTER_OR_DIGIT}\\s.'\`,-]`, 'gu'), ' $& '],
  [new RegExp(`([${LETTER_OR_DIGIT}])-(?=[${LETTER_OR_DIGIT}])`, 'gu'), '$1 @-@ '],
  [/-{2,}/gu, ' $& '],
  [/\.{2,}/gu, ' $& '],
  // A comma stays within a number only.
  [new RegExp(`(?<![${DIGIT}]),|,(?![${DIGIT}])`, 'gu'), ' , '],
  // An apostrophe between letters begins a token (don 't, O 'Brien, 1990 's), any other stands alone.
  // Each match takes its neighbours, so that of two apostrophes around one letter the second stays:
  // rock 'n'roll.
  [new RegExp(`([^${LETTER}])'([^${LETTER}])`, 'gu'), "$1 ' $2"],
  [new RegExp(`([^${LETTER}\\p{Nd}])'([${LETTER}])`, 'gu'), "$1 ' $2"],
  [new RegExp(`([${LETTER}])'([^${LETTER}])`, 'gu'), "$1 ' $2"],
  [new RegExp(`([${LETTER}])'([${LETTER}])`, 'gu'), "$1 '$2"],
  [/(\p{Nd})'(s)/gu, "$1 '$2"],
];

const NUMBER = new RegExp(`^[${DIGIT}]+(?:[.,][${DIGIT}]+)+$`, 'u');
const STARTS_NUMBER = new RegExp(`^[${DIGIT}]`, 'u');
/** The rest that the rules leave of rock'n'roll and Bahá'u'lláh. */
const TWO_APOSTROPHES = new RegExp(`^'[${LETTER}]'[${LETTER}]+$`, 'u');
const SINGLE_CAPITAL = /^\p{Lu}$/u;
const ANY_LETTER = new RegExp(`[${LETTER}]`, 'u');

/** Tokens of one line of natural text in WikiText's style; of a line in the style, its own. */
export function wikiTextTokens(line: string): string[] {
  const chunks = chunksOf(hideStandIns(repairMarks(line)));
  const opensQuote = openingQuotes(chunks);
  const tokens = chunks.flatMap((chunk, index) =>
    KEPT.has(chunk) ? [chunk] : splitChunk(chunk, opensQuote[index]),
  );
  return tokens
    .flatMap((token, index) => splitPeriod(token, tokens[index + 1] as string | undefined))
    .flatMap((token) => (NUMBER.test(token) ? splitNumber(token) : [token]))
    .map(showStandIns);
}

function hideStandIns(line: string): string {
  // Private characters of the text's own mean nothing here and must not turn into words.
  return STAND_INS.reduce(
    (text, [word, mark]) => text.replaceAll(mark, '\uFFFD').replaceAll(word, mark),
    line,
  );
}

function showStandIns(token: string): string {
  return STAND_INS.reduce((text, [word, mark]) => text.replaceAll(mark, word), token);
}

function splitChunk(chunk: string, opensQuote: boolean): string[] {
  // A mark that stands alone was put so by the style, which keeps the source's quotation marks.
  if (chunk.length === 1 && chunk !== '…') return [chunk];
  // ’90s, ’em: a printed apostrophe before a word is natural text, whatever follows.
  const plain = chunk.replace(/^’/u, "' ").replace(/’/gu, "'");
  if (TWO_APOSTROPHES.test(plain)) return [plain];
  const begins = new RegExp(`^'([${LETTER}].*)$`, 'su').exec(plain);
  if (begins !== null && !opensQuote && !ELISIONS.has(begins[1].toLowerCase())) {
    // A clitic on its own ('s), as the style has it: the apostrophe stays with what follows.
    const [first, ...rest] = applyRules(begins[1]);
    return [`'${first}`, ...rest];
  }
  return applyRules(plain);
}

function applyRules(chunk: string): string[] {
  const apart = (text: string, [pattern, parts]: (typeof RULES)[number]): string =>
    text.replace(pattern, parts);
  return RULES.reduce(apart, ` ${chunk} `)
    .split(' ')
    .filter((token) => token !== '')
    .map((token) => PLAIN_MARKS.get(token) ?? token);
}

/** A period ends the sentence, unless the word is an abbreviation or goes on in lower case. */
function splitPeriod(token: string, next: string | undefined): string[] {
  if (!/[^.]\.$/u.test(token)) return [token];
  const word = token.slice(0, -1);
  const kept =
    (word.includes('.') && ANY_LETTER.test(word)) ||
    SINGLE_CAPITAL.test(word) ||
    ABBREVIATIONS.has(word) ||
    (next !== undefined && NUMBERED.has(word) && STARTS_NUMBER.test(next)) ||
    (next !== undefined && /^\p{Ll}/u.test(next));
  return kept ? [token] : [word, '.'];
}

/** 1,234.5 → 1 @,@ 234 @.@ 5 */
function splitNumber(token: string): string[] {
  return token.split(/([.,])/u).map((part) => (/[.,]/u.test(part) ? `@${part}@` : part));
}
