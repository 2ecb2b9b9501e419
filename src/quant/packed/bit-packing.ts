import { QuantError } from '../../util/errors.js';
import type { Integers } from '../quantizer/groups.js';
import { newIntegers } from '../quantizer/quantize.js';

/*
 * Layout. A stored integer q of `bits` bits, −2^(bits−1) ≤ q < 2^(bits−1), is written as the unsigned
 * u = q + 2^(bits−1). The u follow each other without gaps, lowest bit first: bit k of the i-th value is
 * bit number i · bits + k of the stream, and bit number n of the stream is bit n mod 8 (1 is the lowest) of
 * byte floor(n / 8). Bits left over in the last byte are 0. Rows and groups are not padded.
 *
 * Three values of 3 bits, −4, 3, −1 → 0, 7, 3 → 000 111 110 (lowest first) → bytes 11111000, 00000000.
 */

/** Bytes that `count` packed values take: ceil(count · bits / 8). */
export function packedLength(count: number, bits: number): number {
  return Math.ceil((count * bits) / 8);
}

/**
 * Packs integers, lowest bit first.
 *
 * @param integers [count], each within the bit width.
 * @param bits 1–16.
 * @returns [packedLength(count, bits)]
 * @throws {QuantError} for an integer that the bit width cannot hold.
 */
export function packIntegers(integers: Integers, bits: number): Uint8Array {
  const packed = new Uint8Array(packedLength(integers.length, bits));
  if (packInto(packed, integers, bits)) return packed;
  const limit = 2 ** (bits - 1);
  throw new QuantError({
    what: 'an integer does not fit the bit width',
    where: 'packing',
    got: String(integers.find((q) => q < -limit || q >= limit)),
    expected: `${-limit} to ${limit - 1} (${bits} bits)`,
  });
}

/*
 * The loops are functions of their own: optimized as part of a longer one they are thrown out and compiled
 * again at every call, and some twenty times slower after a few bit widths (Node 20).
 */

/** Packs into zeros. @returns true where all integers fit the bit width. */
function packInto(packed: Uint8Array, integers: Integers, bits: number): boolean {
  const offset = 2 ** (bits - 1);
  let pending = 0;
  let pendingBits = 0;
  let byte = 0;
  let beyond = 0;
  for (let i = 0; i < integers.length; i++) {
    const unsigned = integers[i] + offset;
    // Negative or too large: some bit above the width is set.
    beyond |= unsigned >> bits;
    pending |= unsigned << pendingBits;
    pendingBits += bits;
    while (pendingBits >= 8) {
      packed[byte++] = pending & 0xff;
      pending >>= 8;
      pendingBits -= 8;
    }
  }
  if (pendingBits > 0) packed[byte] = pending;
  return beyond === 0;
}

/**
 * The inverse of {@link packIntegers}.
 *
 * @param count of the values that the bytes hold.
 * @param where the tensor, for errors.
 * @returns [count], int8 up to 8 bits, int16 above.
 * @throws {QuantError} when there are too few or too many bytes, or the bits left over are not 0.
 */
export function unpackIntegers(
  packed: Uint8Array,
  bits: number,
  count: number,
  where = 'packed integers',
): Integers {
  const expected = packedLength(count, bits);
  if (packed.length !== expected)
    throw new QuantError({
      what: 'wrong number of bytes',
      where,
      got: `${packed.length} bytes`,
      expected: `${expected} bytes for ${count} values of ${bits} bits`,
    });
  const integers = newIntegers(count, bits);
  const left = unpackInto(integers, packed, bits);
  if (left !== 0)
    throw new QuantError({
      what: 'bits after the last value are set',
      where,
      got: `0b${left.toString(2)}`,
      expected: '0',
    });
  return integers;
}

/** Unpacks all values. @returns the bits left over, which belong to no value. */
function unpackInto(integers: Integers, packed: Uint8Array, bits: number): number {
  const offset = 2 ** (bits - 1);
  const mask = 2 ** bits - 1;
  let pending = 0;
  let pendingBits = 0;
  let byte = 0;
  for (let i = 0; i < integers.length; i++) {
    while (pendingBits < bits) {
      pending |= packed[byte++] << pendingBits;
      pendingBits += 8;
    }
    integers[i] = (pending & mask) - offset;
    pending >>= bits;
    pendingBits -= bits;
  }
  return pending;
}
