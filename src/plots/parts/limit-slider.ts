import type { Part } from './part.js';

/** A limit that a slider moves. */
export interface LimitSlider {
  /** Signal of the slider, in the unit shown. */
  readonly slider: string;
  /** Signal of the limit itself, in its own unit. */
  readonly limit: string;
  /** With the unit shown. */
  readonly label: string;
  /** Its start, in its own unit; Infinity is no limit. */
  readonly exact: number;
  /** End of the slider, in its own unit. */
  readonly end: number;
  /** One of the unit shown. */
  readonly unit: number;
}

/** Stands for no limit: JSON has no Infinity. */
const NO_LIMIT = 1e300;
/** Places that a slider has at least. */
const PLACES = 200;

/**
 * The signals of a slider that shows round numbers, and of its limit. At the start of the slider the limit
 * is exactly the one given, not the round number: 8.28 MB stands for 8,280,907.776 bytes. It is so again
 * when the slider comes back.
 */
export function limitSlider({ slider, limit, label, exact, end, unit }: LimitSlider): Part[] {
  const step = stepFor(end / unit);
  const round = (steps: number): number => Number((steps * step).toPrecision(12));
  const max = round(Math.ceil(end / unit / step));
  const start = Math.min(max, round(Math.round(exact / unit / step)));
  const limitAtStart = Number.isFinite(exact) ? exact : NO_LIMIT;
  return [
    { name: slider, value: start, bind: { input: 'range', min: 0, max, step, name: label } },
    { name: limit, expr: `${slider} === ${start} ? ${limitAtStart} : ${slider} * ${unit}` },
  ];
}

/** A power of ten. */
function stepFor(range: number): number {
  return Number((10 ** Math.floor(Math.log10(range / PLACES))).toPrecision(1));
}
