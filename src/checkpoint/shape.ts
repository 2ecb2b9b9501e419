import { ITEM_BYTES, type Dtype } from './dtypes.js';

/** Number of elements; Infinity where it is beyond any file. A size of 0 makes it 0 whatever the rest. */
export function elementCount(shape: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((product, size) => product * size, 1);
}

/** Elements between the first and the last one, both included: what has to be read of a storage. */
export function spanElements(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((span, size, axis) => span + (size - 1) * strides[axis], 1);
}

/** True where memory order is row-major order. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    // The stride of a dimension of size 1 is never used.
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/** Row-major strides in elements: [12, 4, 1] for [2, 3, 4]. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/**
 * Strided elements copied into row-major order.
 *
 * @param span the bytes from the first element to the last; starts at a multiple of the element size.
 * @returns [elements * ITEM_BYTES[dtype]] bytes.
 */
export function gather(
  span: Uint8Array,
  dtype: Dtype,
  shape: readonly number[],
  strides: readonly number[],
): Uint8Array {
  const itemBytes = ITEM_BYTES[dtype];
  const out = new Uint8Array(elementCount(shape) * itemBytes);
  const Words: WordArray = WORDS[itemBytes];
  copyStrided(new Words(span.buffer, span.byteOffset), new Words(out.buffer, 0), shape, strides);
  return out;
}

type WordArray = new (buffer: ArrayBufferLike, offset: number) => Elements<number | bigint>;

/** Arrays of elements by their size in bytes. */
const WORDS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const;

/** The part of a typed array that copying needs; one type for number and bigint elements. */
interface Elements<T> {
  readonly length: number;
  [index: number]: T;
}

function copyStrided<T>(
  from: Elements<T>,
  to: Elements<T>,
  shape: readonly number[],
  strides: readonly number[],
): void {
  const position = shape.map(() => 0);
  let source = 0;
  for (let i = 0; i < to.length; i++) {
    to[i] = from[source];
    // Count up like an odometer: the last dimension turns fastest.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      source += strides[axis];
      if (++position[axis] < shape[axis]) break;
      source -= strides[axis] * shape[axis];
      position[axis] = 0;
    }
  }
}
