import { ELISIONS, type Typography } from './typography.js';

/** Attached to the word before. */
const CLOSING: ReadonlySet<string> = new Set('. , ; : ! ? ) ] } % ′ ″'.split(' '));
/** Attached to the word after. */
const OPENING: ReadonlySet<string> = new Set('( [ {'.split(' '));
/** Attached to both, in natural text as written here. */
const JOINING: ReadonlyMap<string, string> = new Map([
  ['@-@', '-'],
  ['@,@', ','],
  ['@.@', '.'],
  ['/', '/'],
  ['—', '—'],
]);
/** Attached to a number after: $ 5, # 1, ~ 54, − 13. */
const BEFORE_NUMBER: ReadonlySet<string> = new Set('$ £ € ¥ ₹ # ~ −'.split(' '));
/** The words that a dollar sign is attached to: US $ 5. */
const DOLLARS: ReadonlySet<string> = new Set(['US', 'AU', 'CA', 'NZ', 'HK']);
const MONTHS: ReadonlySet<string> = new Set(
  'January February March April May June July August September October November December'.split(
    ' ',
  ),
);

/** A token with its joints; `closes` and `opens` leave out the space before and after it. */
interface Joint {
  readonly text: string;
  readonly closes?: boolean;
  readonly opens?: boolean;
}

type OpenQuotes = Record<'double' | 'single', boolean>;

/**
 * Puts the tokens of one line of WikiText together. The style does not say whether a quotation mark
 * opens or closes, a dash had spaces, or an apostrophe ends a plural: the commoner reading is taken, from
 * what came before and the one token after it, so that the text of a line only grows with its tokens.
 *
 * @returns for each token its text, with the space before it where it has one.
 */
export function naturalPieces(tokens: readonly string[], marks: Typography): string[] {
  const open = { double: false, single: false };
  let attached = true;
  return tokens.map((_, index) => {
    const { text, closes, opens } = jointOf(tokens, index, marks, open);
    const piece = attached || closes === true ? text : ` ${text}`;
    attached = opens === true;
    return piece;
  });
}

function jointOf(
  tokens: readonly string[],
  index: number,
  marks: Typography,
  open: OpenQuotes,
): Joint {
  const token = tokens[index];
  const [before, after] = [tokens[index - 1] ?? '', tokens[index + 1] ?? ''];
  if (token === '"') {
    // Nothing is quoted at the end of a line or before a comma: the mark that opened is missing.
    open.double = !open.double && after !== '' && !CLOSING.has(after);
    return open.double
      ? { text: marks.openDouble, opens: true }
      : { text: marks.closeDouble, closes: true };
  }
  if (token === "'") return apostrophe(before, after, marks, open);
  // 's, 't, 'Brien
  if (/^'./u.test(token)) return { text: marks.apostrophe + token.slice(1), closes: true };
  if (/^\.{3}$/u.test(token)) return { text: marks.ellipsis, closes: true };
  if (/^\.{2,}$/u.test(token)) return { text: token, closes: true };
  const joining = JOINING.get(token);
  if (joining !== undefined) return { text: joining, closes: true, opens: true };
  if (OPENING.has(token)) return { text: token, opens: true };
  if (token === ':') return { text: token, closes: true, opens: isTime(before, after) };
  if (CLOSING.has(token)) return { text: token, closes: true };
  if (token === '–' && isRange(tokens, index)) return { text: token, closes: true, opens: true };
  if (token === '°') {
    // 8 °C, but 51° N and an angle of 40°.
    const isTemperature = /^[CF]\.?$/u.test(after);
    return { text: token, closes: !isTemperature, opens: isTemperature };
  }
  if (token === '&' && isCapital(before) && isCapital(after))
    return { text: token, closes: true, opens: true };
  // The marks of a heading: == Title ==
  if (token === '=' && before === '=') return { text: token, closes: true };
  if (BEFORE_NUMBER.has(token) && startsWithDigit(after) && !isMinus(token, before))
    return { text: token, closes: token === '$' && DOLLARS.has(before), opens: true };
  return { text: token };
}

/** An apostrophe that stands alone: quotation mark, plural, left-out century, minutes of arc. */
function apostrophe(before: string, after: string, marks: Typography, open: OpenQuotes): Joint {
  // After what is no word (U.S. ' s, " ' s) the style parts the two.
  if (after === 's') return { text: marks.apostrophe, closes: true, opens: true };
  // The dogs ' bowls, 5 ' long; not It 's ' real '.
  const possessive = /[sxz\d]$/iu.test(before) && !before.startsWith("'");
  const century = /^\d0s$/u.test(after) || (/^\d\d$/u.test(after) && !possessive);
  if (century || ELISIONS.has(after.toLowerCase())) return { text: marks.apostrophe, opens: true };
  if (open.single) {
    open.single = false;
    return { text: marks.closeSingle, closes: true };
  }
  // A quotation after such a word is rare, so it is not what this means.
  if (possessive) return { text: marks.apostrophe, closes: true };
  open.single = true;
  return { text: marks.openSingle, opens: true };
}

/** 17 : 42 */
function isTime(before: string, after: string): boolean {
  return /^\d{1,2}$/u.test(before) && /^\d\d$/u.test(after);
}

/** 1939 – 45, but 7 August 1932 – 25 October 1973. */
function isRange(tokens: readonly string[], index: number): boolean {
  const [month, before, after] = [index - 2, index - 1, index + 1].map((at) => tokens[at] ?? '');
  return /\d$/u.test(before) && startsWithDigit(after) && !MONTHS.has(month);
}

/** A sign of subtraction, 5 − 3, as opposed to that of a negative number. */
function isMinus(token: string, before: string): boolean {
  return token === '−' && /[\d)]$/u.test(before);
}

const isCapital = (token: string): boolean => /^\p{Lu}$/u.test(token);

const startsWithDigit = (token: string): boolean => /^\p{Nd}/u.test(token);
