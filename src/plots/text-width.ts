/**
 * Text widths without a canvas. Vega guesses 0.8 em a character where it has none, which makes static
 * pictures half as wide again as their charts. These are the advance widths of Liberation Sans, which
 * are those of Arial and Helvetica, in thousandths of the font size.
 */
const WIDTHS: readonly (readonly [width: number, characters: string])[] = [
  [191, "'"],
  [222, 'ijl’'],
  [260, '|'],
  [278, ' !,./:;I[]\\ft·'],
  [334, '"()-`r{}“”'],
  [400, '*°'],
  [500, 'Jckvsxyzλ'],
  [556, '#$0123456789?L_abdeghnopqu–≥≤±'],
  [584, '+<=>~×−^'],
  [611, 'FTZσ'],
  [667, 'ABEKPSVXY&Δ'],
  [722, 'CDHNRUw'],
  [778, 'GOQ'],
  [833, 'Mm'],
  [889, '%'],
  [944, 'W'],
  [1000, '@—…→'],
];
/** An unlisted character is taken as wide as a digit. */
const OTHER = 556;
/** Bold text is a little wider; the mean over lower-case letters and digits. */
const BOLD = 1.06;

const WIDTH_OF: ReadonlyMap<string, number> = new Map(
  WIDTHS.flatMap(([width, characters]) =>
    characters.split('').map((each) => [each, width] as const),
  ),
);

/**
 * Width of one line of text in pixels.
 * @param fontSize in pixels.
 */
export function textWidth(text: string, fontSize: number, bold: boolean): number {
  let width = 0;
  for (const character of text) width += WIDTH_OF.get(character) ?? OTHER;
  return ((width * fontSize) / 1000) * (bold ? BOLD : 1);
}
