/**
 * Text widths without a canvas. Vega guesses 0.8 em a character where it has none, which makes static
 * pictures half as wide again as their charts. These are the advance widths of Arimo and Liberation Sans,
 * which are those of Arial and Helvetica, in thousandths of the font size.
 */
const WIDTHS: readonly (readonly [width: number, characters: string])[] = [
  [191, "'"],
  [222, 'ijl‘’'],
  [260, '|'],
  [278, ' !,./:;I[]\\ft'],
  [333, '()-`r{}“”·²³⁶'],
  [355, '"'],
  [389, '*'],
  [400, '°'],
  [469, '^'],
  [500, 'Jckvsxyzλ'],
  [549, '≥≤±≈'],
  [556, '#$0123456789?L_abdeghnopqu–'],
  [576, 'µ'],
  [584, '+<=>~×−'],
  [611, 'FTZ'],
  [617, 'σ'],
  [667, 'ABEKPSVXY&Δ'],
  [722, 'CDHNRUw'],
  [778, 'GOQ'],
  [833, 'Mm'],
  [889, '%'],
  [944, 'W'],
  [1000, '—…→'],
  [1015, '@'],
];
/** An unlisted character is taken as wide as a digit. */
const OTHER = 556;
/** Width that these characters gain at weight 600, the bold of the figures. */
const BOLD = 37;
const WIDER_IN_BOLD = new Set('!&:;?ABKL[]bdfghijlnopqtuw{}‘’JckmrsvxyλσΔ');

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
  for (const character of text) {
    width += WIDTH_OF.get(character) ?? OTHER;
    if (bold && WIDER_IN_BOLD.has(character)) width += BOLD;
  }
  return (width * fontSize) / 1000;
}

/** A text in lines of at most a width in pixels, broken at spaces; a longer word has a line of its own. */
export function linesOf(text: string, fontSize: number, bold: boolean, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const joined = lines.length === 0 ? word : `${lines[lines.length - 1]} ${word}`;
    const fits = lines.length > 0 && textWidth(joined, fontSize, bold) <= width;
    if (fits) lines[lines.length - 1] = joined;
    else lines.push(word);
  }
  return lines;
}
