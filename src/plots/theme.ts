import type { Json } from '../util/json.js';

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
export const RAMP = 'viridis';

/** Notebook width in pixels: what a chart may take with axes, titles and legends. */
export const CHART_WIDTH = 700;

/** Vega-Lite `config` of every figure. */
export const THEME: Json = {
  background: '#ffffff',
  font: 'Liberation Sans, Arial, Helvetica, sans-serif',
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
