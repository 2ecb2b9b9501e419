import type { Json } from '../../util/json.js';
import type { Part } from './part.js';

/**
 * Categorical colours that stay apart for all common kinds of colour blindness and in grey print:
 * Okabe and Ito, "Color Universal Design" (2008).
 */
export const COLORS = {
  blue: '#0072B2',
  orange: '#E69F00',
  green: '#009E73',
  vermilion: '#D55E00',
  sky: '#56B4E9',
  purple: '#CC79A7',
  yellow: '#F0E442',
  black: '#222222',
  grey: '#8A8A8A',
  pale: '#D9D9D9',
} as const;

/** The selected plan, as an SVG path in a square from −1 to 1. */
export const STAR =
  'M0,-1L.23,-.31L.95,-.31L.36,.12L.59,.81L0,.38L-.59,.81L-.36,.12L-.95,-.31L-.23,-.31Z';

/** Order of use for categories without a meaning of their own. */
export const CATEGORIES: readonly string[] = [
  COLORS.blue,
  COLORS.vermilion,
  COLORS.green,
  COLORS.purple,
  COLORS.orange,
  COLORS.sky,
  COLORS.black,
];

/** A perceptually uniform ramp that is read alike with and without colour vision. */
const RAMP = 'viridis';

/**
 * Tenths of the ramp "plasma" of matplotlib (S. van der Walt and N. Smith, CC0), as far as it stays
 * legible on white.
 */
const PLASMA = [
  '#0d0887',
  '#41049d',
  '#6a00a8',
  '#8f0da4',
  '#b12a90',
  '#cc4778',
  '#e16462',
  '#f2844b',
  '#fca636',
] as const;

/** Bit widths from here up are not told apart by the ramp: left alone, drawn in black. */
const FULL_BITS = 17;

/** The colour of a bit width, the same in all figures: warm for few bits, dark for many. */
export function bitsColor(bits: number): string {
  if (bits >= FULL_BITS) return COLORS.black;
  // A mean of several units may lie between 16 bits and those left alone.
  const place = (1 - Math.min(15, Math.max(0, bits - 1)) / 15) * (PLASMA.length - 1);
  const index = Math.min(Math.floor(place), PLASMA.length - 2);
  return mix(PLASMA[index], PLASMA[index + 1], place - index);
}

function mix(from: string, to: string, share: number): string {
  const channels = [1, 3, 5].map((at) => {
    const [a, b] = [from, to].map((color) => parseInt(color.slice(at, at + 2), 16));
    return Math.round(a + (b - a) * share)
      .toString(16)
      .padStart(2, '0');
  });
  return `#${channels.join('')}`;
}

/** A colour scale over the bit widths that occur, from many to few. */
export function bitsScale(bits: Iterable<number>): Part {
  const domain = [...new Set(bits)].sort((a, b) => b - a);
  return { type: 'ordinal', domain, range: domain.map(bitsColor) };
}

/** Bits from which white text is read better than black on {@link bitsColor}. */
export const WHITE_TEXT_BITS = 6;

/** Notebook width in pixels: the room for a chart with axes, titles and legends. */
export const CHART_WIDTH = 700;

/** Vega-Lite `config` of every figure. */
export const THEME: Json = {
  background: '#ffffff',
  font: 'Liberation Sans, Arimo, Arial, Helvetica, sans-serif',
  padding: 8,
  title: {
    anchor: 'start',
    fontSize: 15,
    fontWeight: 600,
    color: COLORS.black,
    subtitleFontSize: 12,
    subtitleColor: '#555555',
    subtitlePadding: 4,
    offset: 12,
    // A long name is cut, rather than making the chart wider than the notebook.
    limit: CHART_WIDTH - 20,
  },
  axis: {
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    labelColor: '#333333',
    titleColor: COLORS.black,
    gridColor: '#ececec',
    domainColor: COLORS.grey,
    tickColor: COLORS.grey,
    titlePadding: 8,
  },
  legend: {
    labelFontSize: 11,
    titleFontSize: 11,
    titleFontWeight: 'normal',
    labelColor: '#333333',
    titleColor: COLORS.black,
  },
  header: { labelFontSize: 12, titleFontSize: 12, labelFontWeight: 600 },
  view: { stroke: null },
  range: { category: CATEGORIES, ramp: { scheme: RAMP }, ordinal: { scheme: RAMP } },
  point: { filled: true, size: 70 },
  line: { strokeWidth: 2 },
  rule: { strokeWidth: 1.5 },
};
