import { blockLabel } from '../../layout/blocks.js';
import { groupBy } from '../../util/group.js';
import type { UnitBits } from '../records.js';

/** One cell of a bit-allocation strip: a unit as a share of its block's height. */
export interface StripCell {
  readonly block: string;
  readonly part: string;
  readonly bits: number;
  /** Top and bottom in the block's column, [0, 1]. */
  readonly top: number;
  readonly bottom: number;
}

/** A plan as cells: a column a block, its units below each other in network order. */
export function stripCells(units: readonly UnitBits[]): StripCell[] {
  return [...groupBy(units, ({ block }) => block)].flatMap(([block, members]) =>
    members.map(({ part, bits }, index) => ({
      block: blockLabel(block),
      part,
      bits,
      top: index / members.length,
      bottom: (index + 1) / members.length,
    })),
  );
}

/** Labels of the blocks in network order, each once. */
export function blockLabels(units: readonly { readonly block: string }[]): string[] {
  return [...new Set(units.map((unit) => blockLabel(unit.block)))];
}

/** "4 bits"; "16 bits (stored: 1)". */
export function widthText(bits: number, stored: number | undefined): string {
  return stored === undefined ? `${bits} bits` : `${bits} bits (stored: ${stored})`;
}
