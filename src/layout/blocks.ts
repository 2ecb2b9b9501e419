/*
 * QSLM's hierarchy is the same for every family: an input block, attention blocks, an output block. A unit is
 * a block, a module or a matrix, named by its path: "attention.0", "attention.0/MODULE",
 * "attention.0/MODULE/key".
 */

/** The name of a block. */
export type BlockName = 'input' | `attention.${number}` | 'output';

/** A kind of block. */
export type BlockKind = 'input' | 'attention' | 'output';

/** The kind of a block, from its name or the path of any unit in it. */
export function blockKind(unit: string): BlockKind {
  const block = blockOf(unit);
  return block === 'input' || block === 'output' ? block : 'attention';
}

/** The block that a unit is, or belongs to. */
export function blockOf(unit: string): string {
  return unit.split('/', 1)[0];
}

/** A block on an axis: "in", "0", "1", …, "out". */
export function blockLabel(block: string): string {
  if (block === 'input') return 'in';
  return block === 'output' ? 'out' : block.slice(block.indexOf('.') + 1);
}

/** True where a unit is, or contains, the unit at a path. "*" is everything. */
export function covers(unit: string, path: string): boolean {
  return unit === '*' || path === unit || path.startsWith(`${unit}/`);
}
