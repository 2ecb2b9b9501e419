import type { Part } from './part.js';

/** A value that may have an interval of its own, or one beside the unquantized model's. */
interface Ranged {
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  readonly pairedLow?: number | undefined;
  readonly pairedHigh?: number | undefined;
}

/** A bar within an axis; null where there is none. */
export interface Bar {
  readonly barLow: number | null;
  readonly barHigh: number | null;
  /** The end of the axis that the bar goes on beyond; null where it does not. */
  readonly cutLow: number | null;
  readonly cutHigh: number | null;
}

const NO_BAR: Bar = { barLow: null, barHigh: null, cutLow: null, cutHigh: null };

/** The 95 % interval to draw: the paired one where plans are compared with the baseline and it is known. */
export function drawnInterval({
  low,
  high,
  pairedLow = low,
  pairedHigh = high,
}: Ranged): readonly [number, number] | undefined {
  return pairedLow === undefined || pairedHigh === undefined ? undefined : [pairedLow, pairedHigh];
}

/** An interval as a bar that ends inside the axis, with the ends that were cut. */
export function barWithin(value: Ranged, [from, to]: readonly [number, number]): Bar {
  const interval = drawnInterval(value);
  if (interval === undefined) return NO_BAR;
  const [low, high] = interval;
  const inside = (end: number): number => Math.min(to, Math.max(from, end));
  return {
    barLow: inside(low),
    barHigh: inside(high),
    cutLow: low < from ? from : null,
    cutHigh: high > to ? to : null,
  };
}

/** Bars, and at the edge of the axis a small arrow for each that goes on beyond it. */
export function barLayers(encoding: Part, y: Part, look: Part): Part[] {
  const arrow = (end: 'cutLow' | 'cutHigh', shape: string): Part => ({
    transform: [{ filter: `isValid(datum.${end})` }],
    mark: { type: 'point', shape, filled: true, size: 22, aria: false, ...look },
    encoding: { ...encoding, y: { ...y, field: end } },
  });
  return [
    {
      transform: [{ filter: 'isValid(datum.barLow)' }],
      mark: { type: 'rule', clip: true, aria: false, ...look },
      encoding: { ...encoding, y: { ...y, field: 'barLow' }, y2: { field: 'barHigh' } },
    },
    arrow('cutLow', 'triangle-down'),
    arrow('cutHigh', 'triangle-up'),
  ];
}

/** Pixels between the bars of neighbouring widths, where there is room. */
const BAR_GAP = 6;

/** For marks of rows with the member `shift`. */
export const SHIFTED: Part = { xOffset: { expr: 'datum.shift' } };

/** Pixels by which a record is drawn beside the middle of its unit, so that no bar hides another; 0 without bars. */
export function barShifts(
  all: readonly { readonly unit: string; readonly bits: number }[],
  width: number,
  hasBars: boolean,
): (record: { readonly bits: number }) => number {
  if (!hasBars) return () => 0;
  const widths = [...new Set(all.map(({ bits }) => bits))].sort((a, b) => b - a);
  const units = new Set(all.map(({ unit }) => unit)).size;
  const gap = Math.min(BAR_GAP, width / units / (widths.length + 1));
  return ({ bits }) => gap * (widths.indexOf(bits) - (widths.length - 1) / 2);
}
