/**
 * The two 16-bit float formats, bit by bit (IEEE 754-2008 binary16; bfloat16 as the upper half of
 * binary32). Everything works on the bit patterns: a NaN that passed through a JavaScript number could
 * lose its payload.
 */

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

let float16Table: Uint32Array | undefined;

/** float32 bits of every float16 pattern: one lookup is faster than taking each value apart. */
function float16Patterns(): Uint32Array {
  if (float16Table !== undefined) return float16Table;
  const table = new Uint32Array(0x10000);
  for (let half = 0; half < 0x10000; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f) table[half] = sign | 0x7f800000 | (fraction << 13);
    else if (exponent !== 0) table[half] = sign | ((exponent + 112) << 23) | (fraction << 13);
    else if (fraction !== 0) {
      // Subnormal: fraction * 2^-24. Its leading one becomes float32's implicit bit.
      const leading = 31 - Math.clz32(fraction);
      table[half] = sign | ((leading + 103) << 23) | ((fraction << (23 - leading)) & 0x7fffff);
    } else table[half] = sign;
  }
  return (float16Table = table);
}

/** Exact. @param to receives the values, [from.length]. */
export function widenFloat16(from: Uint16Array, to: Float32Array): void {
  const table = float16Patterns();
  const bits = bitsOf(to);
  for (let i = 0; i < from.length; i++) bits[i] = table[from[i]];
}

/** Exact. @param to receives the values, [from.length]. */
export function widenBfloat16(from: Uint16Array, to: Float32Array): void {
  const bits = bitsOf(to);
  for (let i = 0; i < from.length; i++) bits[i] = from[i] << 16;
}

/** Round to nearest, ties to even; subnormals kept; from 65520 on infinity. */
export function narrowToFloat16(from: Float32Array, to: Uint16Array): void {
  const bits = bitsOf(from);
  for (let i = 0; i < bits.length; i++) to[i] = float16Bits(bits[i]);
}

function float16Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  // 2^16 and more, infinity included.
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // Normal in float16 (2^-14 and more). A carry out of the fraction rightly raises the exponent.
    const even = (magnitude >>> 13) & 1;
    return sign | ((magnitude - 0x38000000 + 0xfff + even) >>> 13);
  }
  const exponent = magnitude >>> 23;
  // Below 2^-25, half of the smallest subnormal.
  if (exponent < 102) return sign;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent;
  const half = 1 << (shift - 1);
  const even = (significand >>> shift) & 1;
  return sign | ((significand + half - 1 + even) >>> shift);
}

/** Round to nearest, ties to even; beyond the largest finite bfloat16 infinity. */
export function narrowToBfloat16(from: Float32Array, to: Uint16Array): void {
  const bits = bitsOf(from);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i];
    // NaN: keep the upper payload, and set the quiet bit so that a cut payload cannot read infinity.
    to[i] =
      (b & 0x7fffffff) > 0x7f800000 ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
}
