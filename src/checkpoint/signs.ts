import type { FloatDtype } from './dtypes.js';

/** The patterns of −0 and of the negative number next to it: 2^-24 in float16, 2^-133 in bfloat16. */
const NEGATIVE_ZERO = 0x8000;
const SMALLEST_NEGATIVE = 0x8001;

/**
 * Undoes the rounding of negative values to −0, in place. A spike embedding fires where its value is at
 * least 0, and −0 is: such a rounding would add a spike, while any negative number keeps it out.
 *
 * @param values [elements].
 * @param narrow the bytes that `encodeFloat32` made of them.
 * @returns the number of values that were moved.
 */
export function keepNegatives(values: Float32Array, narrow: Uint8Array, dtype: FloatDtype): number {
  if (dtype === 'float32') return 0;
  const patterns = new Uint16Array(narrow.buffer, narrow.byteOffset, values.length);
  let moved = 0;
  for (let i = 0; i < values.length; i++) {
    if (patterns[i] !== NEGATIVE_ZERO || !(values[i] < 0)) continue;
    patterns[i] = SMALLEST_NEGATIVE;
    moved++;
  }
  return moved;
}
