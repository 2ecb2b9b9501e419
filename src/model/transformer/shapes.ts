import { abridgedNames } from '../../checkpoint/describe.js';
import type { CheckpointListing } from '../../checkpoint/types.js';
import { CheckpointError, UsageError } from '../../util/errors.js';

/**
 * The shape of a matrix that a family cannot do without.
 *
 * @param title of the family, for messages
 * @throws {CheckpointError} when it is missing or no matrix
 */
export function matrixShape(
  { tensors, path }: CheckpointListing,
  name: string,
  title: string,
): [number, number] {
  const shape = tensors.get(name)?.shape;
  if (shape?.length === 2) return [shape[0], shape[1]];
  throw new CheckpointError({
    what: `not a ${title} checkpoint: "${name}" is ${shape ? 'no matrix' : 'missing'}`,
    where: path,
    got: shape ? `shape [${shape.join(', ')}]` : abridgedNames(tensors.keys()),
    expected: `"${name}" of two dimensions`,
  });
}

/**
 * The number of blocks that names are numbered by.
 *
 * @param pattern whose first group is a block's number
 * @throws {CheckpointError} for none, or a gap among the numbers
 */
export function countBlocks(
  { tensors, path }: CheckpointListing,
  pattern: RegExp,
  title: string,
): number {
  const names = [...tensors.keys()];
  const numbers = new Set(names.flatMap((name) => pattern.exec(name)?.[1] ?? []).map(Number));
  const gap = [...numbers].find((block) => block >= numbers.size);
  if (numbers.size > 0 && gap === undefined) return numbers.size;
  throw new CheckpointError({
    what:
      numbers.size === 0 ? `no blocks of a ${title}` : 'the blocks are not numbered without gaps',
    where: path,
    got: gap === undefined ? abridgedNames(names) : `${numbers.size} blocks, one numbered ${gap}`,
    expected: 'blocks numbered from 0',
  });
}

/** @throws {UsageError} where the heads do not share a width evenly. */
export function requireHeads(width: number, heads: number, where: string): void {
  if (width % heads === 0) return;
  throw new UsageError({
    what: 'the attention heads do not share the width evenly',
    where,
    got: `${heads} heads for a width of ${width}`,
    expected: 'a divisor of the width, as `heads`',
  });
}
