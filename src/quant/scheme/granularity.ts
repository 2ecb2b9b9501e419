import { elementCount } from '../../checkpoint/shape.js';
import { QuantError } from '../../util/errors.js';

/*
 * The values of a tensor that share one scale and one zero point. The last axis of a tensor is its input
 * axis, the ones before it count as rows: a linear weight [out, in] has `out` rows of `in` values.
 */

/** One scale for the whole tensor: a weight [768, 3072] has 1. */
export interface PerTensor {
  readonly kind: 'per-tensor';
}

/** One scale for each row (output channel, axis 0): a weight [768, 3072] has 768. */
export interface PerChannel {
  readonly kind: 'per-channel';
}

/**
 * One scale for every `size` neighbours along the input axis: with size 64 a weight [768, 3072] has
 * 768 × 48. The last group of a row is shorter where `size` does not divide the row: [768, 100] has 768 × 2.
 */
export interface PerGroup {
  readonly kind: 'per-group';
  readonly size: number;
}

/** The values of a tensor that share one scale and one zero point. */
export type Granularity = PerTensor | PerChannel | PerGroup;

/** One scale for the whole tensor. */
export const PER_TENSOR: PerTensor = Object.freeze({ kind: 'per-tensor' });
/** One scale for each row. */
export const PER_CHANNEL: PerChannel = Object.freeze({ kind: 'per-channel' });

/** One scale for every `size` neighbours. @throws {QuantError} unless `size` is a positive integer. */
export function perGroup(size: number): PerGroup {
  if (!Number.isSafeInteger(size) || size < 1)
    throw new QuantError({
      what: 'group size makes no sense',
      where: 'granularity per-group',
      got: String(size),
      expected: 'a positive integer',
    });
  return Object.freeze({ kind: 'per-group', size });
}

/** The groups of a tensor: `rows` rows of `rowLength` values, each cut every `groupLength`. */
export interface Grouping {
  readonly rows: number;
  readonly rowLength: number;
  readonly groupLength: number;
  /** Groups in all, and so scales. */
  readonly count: number;
}

/** The groups of a tensor. @param shape any number of axes; a vector counts as one row. */
export function groupingOf(shape: readonly number[], granularity: Granularity): Grouping {
  const elements = elementCount(shape);
  if (granularity.kind === 'per-tensor')
    return { rows: 1, rowLength: elements, groupLength: elements, count: 1 };
  const rowLength = shape.at(-1) ?? 1;
  const rows = rowLength === 0 ? 0 : elements / rowLength;
  const groupLength =
    granularity.kind === 'per-channel' ? rowLength : Math.min(granularity.size, rowLength);
  return { rows, rowLength, groupLength, count: rows * Math.ceil(rowLength / groupLength) };
}

/** Calls `visit` with the flat index range [from, to) of each group, in order. */
export function forEachGroup(
  { rows, rowLength, groupLength }: Grouping,
  visit: (from: number, to: number, group: number) => void,
): void {
  let group = 0;
  for (let row = 0; row < rows; row++) {
    const end = (row + 1) * rowLength;
    for (let from = row * rowLength; from < end; from += groupLength)
      visit(from, Math.min(from + groupLength, end), group++);
  }
}
