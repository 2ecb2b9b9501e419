import type { StepRecord, UnitBits } from '../records.js';
import { blockLabels, stripCells } from './blocks.js';
import type { Part } from './part.js';
import { bitsScale, COLORS, WHITE_TEXT_BITS } from './theme.js';

/** The height in pixels that one unit of a block needs for its number to be read. */
const UNIT_HEIGHT = 20;

/** Characters of part names that fit beside the title. */
const MOST_NAMES = 70;

/** Cells for {@link stripView}; to be put into each row as `cells`. */
export function cellsOf({ units }: StepRecord): object[] {
  return stripCells(units);
}

/** The plan of a strip, and what stands around it. */
interface StripOptions {
  /** Transforms that leave the one row whose plan is shown. */
  readonly only: readonly Part[];
  /** A text, to which the parts of a block are added; or an expression of one. */
  readonly title: string | Part;
  /** False below a strip of the same blocks. */
  readonly axis?: boolean;
}

/**
 * A bit-allocation strip: a column a block in network order, split into its units, coloured by bits with
 * the number inside.
 *
 */
export function stripView(
  records: readonly StepRecord[],
  width: number,
  { only, title, axis = true }: StripOptions,
): Part {
  const units = records.flatMap((record) => record.units);
  const parts = partsOfFullest(units);
  const names = parts.join(', ');
  const legend =
    parts.length > 1 && names.length < MOST_NAMES ? ` (in a block, downwards: ${names})` : '';
  const x: Part = {
    field: 'block',
    type: 'ordinal',
    title: axis ? 'Block (network order)' : null,
    scale: { domain: blockLabels(units), paddingInner: 0.06, paddingOuter: 0.03 },
    axis: axis ? { labelAngle: 0, domain: false, ticks: false, grid: false } : null,
  };
  const y: Part = {
    field: 'top',
    type: 'quantitative',
    axis: null,
    scale: { domain: [0, 1], reverse: true, nice: false },
  };
  const cell = (name: string): Part => ({ calculate: `datum.cells.${name}`, as: name });
  return {
    width,
    height: Math.max(UNIT_HEIGHT + 4, parts.length * UNIT_HEIGHT),
    title: {
      text: typeof title === 'string' ? title + legend : title,
      fontSize: 12,
      fontWeight: 'normal',
      offset: 6,
    },
    transform: [
      ...only,
      { flatten: ['cells'] },
      ...['block', 'part', 'bits', 'top', 'bottom'].map(cell),
    ],
    layer: [
      {
        mark: { type: 'rect', stroke: '#ffffff', strokeWidth: 1 },
        encoding: {
          x,
          y,
          y2: { field: 'bottom' },
          color: {
            field: 'bits',
            type: 'ordinal',
            scale: bitsScale(units.map((unit) => unit.bits)),
            legend: null,
          },
          tooltip: [
            { field: 'block', title: 'Block' },
            { field: 'part', title: 'Part' },
            { field: 'bits', title: 'Bits a weight' },
          ],
        },
      },
      {
        transform: [{ calculate: '(datum.top + datum.bottom) / 2', as: 'middle' }],
        mark: { type: 'text', fontSize: 11, aria: false },
        encoding: {
          x,
          y: { ...y, field: 'middle' },
          text: { field: 'bits' },
          color: {
            condition: { test: `datum.bits >= ${WHITE_TEXT_BITS}`, value: '#ffffff' },
            value: COLORS.black,
          },
        },
      },
    ],
  };
}

/** The parts of the block that has most, in network order. */
function partsOfFullest(units: readonly UnitBits[]): readonly string[] {
  const parts = new Map<string, Set<string>>();
  for (const { block, part } of units) {
    const own = parts.get(block);
    if (own === undefined) parts.set(block, new Set([part]));
    else own.add(part);
  }
  const sorted = [...parts.values()].sort((a, b) => b.size - a.size);
  return sorted.length === 0 ? [] : [...sorted[0]];
}
