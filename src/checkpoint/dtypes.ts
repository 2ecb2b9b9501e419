import { narrowToBfloat16, narrowToFloat16, widenBfloat16, widenFloat16 } from './half.js';

/** Bytes of one element. The names are PyTorch's. */
export const ITEM_BYTES = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  uint64: 8,
  int32: 4,
  uint32: 4,
  int16: 2,
  uint16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
} as const;

/** Element type of a stored tensor. */
export type Dtype = keyof typeof ITEM_BYTES;

/** The element types weights are converted to. */
export type FloatDtype = 'float32' | 'float16' | 'bfloat16';

type PlainDtype = Exclude<Dtype, 'float16' | 'bfloat16' | 'int64' | 'uint64'>;
type ArrayType = new (buffer: ArrayBufferLike, offset: number, n: number) => ArrayLike<number>;

/** The arrays of the element types whose values JavaScript has as numbers. */
const ARRAYS: Readonly<Record<PlainDtype, ArrayType>> = {
  float64: Float64Array,
  float32: Float32Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** True for the types that hold fractions; the integer types are never converted to another type. */
export function isFloating(dtype: Dtype): boolean {
  return dtype.startsWith('float') || dtype === 'bfloat16';
}

/**
 * Stored elements as float32. float16 and bfloat16 widen exactly; float64 and integers beyond 2^24
 * round to the nearest float32. Little-endian, as both file formats and every host of Node with
 * WebAssembly are.
 *
 * @param bytes `out.length` elements of `dtype`.
 * @param out receives the values, [elements].
 */
export function decodeFloat32(dtype: Dtype, bytes: Uint8Array, out: Float32Array): void {
  const itemBytes = ITEM_BYTES[dtype];
  // Typed arrays must start at a multiple of their element size; a slice starts at 0.
  const { buffer, byteOffset } = bytes.byteOffset % itemBytes === 0 ? bytes : bytes.slice();
  const n = out.length;
  if (dtype === 'float16') widenFloat16(new Uint16Array(buffer, byteOffset, n), out);
  else if (dtype === 'bfloat16') widenBfloat16(new Uint16Array(buffer, byteOffset, n), out);
  else if (dtype === 'int64') setFromBigInts(out, new BigInt64Array(buffer, byteOffset, n));
  else if (dtype === 'uint64') setFromBigInts(out, new BigUint64Array(buffer, byteOffset, n));
  else out.set(new ARRAYS[dtype](buffer, byteOffset, n));
}

function setFromBigInts(out: Float32Array, values: BigInt64Array | BigUint64Array): void {
  for (let i = 0; i < out.length; i++) out[i] = Number(values[i]);
}

/**
 * float32 values as little-endian bytes of a narrower type: round to nearest, ties to even; beyond the
 * largest finite value infinity; NaN stays NaN. For float32 the result shares the memory of `values`.
 */
export function encodeFloat32(values: Float32Array, dtype: FloatDtype): Uint8Array {
  if (dtype === 'float32')
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const narrow = new Uint16Array(values.length);
  if (dtype === 'float16') narrowToFloat16(values, narrow);
  else narrowToBfloat16(values, narrow);
  return new Uint8Array(narrow.buffer);
}
