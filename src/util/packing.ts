import { StoreError } from './errors.js';

/** `[count]` values of 0 or 1, eight a byte, lowest bit first. */
export function packBits(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 8));
  values.forEach((value, index) => {
    if (value !== 0 && value !== 1) throw notA('bit', `correct[${index}]`, value, '0 or 1');
    bytes[index >> 3] |= value << (index & 7);
  });
  return bytes;
}

/** The inverse of {@link packBits}. */
export function unpackBits(bytes: Uint8Array, count: number): (0 | 1)[] {
  return Array.from({ length: count }, (_, i) => ((bytes[i >> 3] >> (i & 7)) & 1) as 0 | 1);
}

/** `[count]` doubles, little-endian as every host of Node with WebAssembly is, bit for bit. */
export function packDoubles(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float64Array.from(values).buffer);
}

/** The inverse of {@link packDoubles}. */
export function unpackDoubles(bytes: Uint8Array): number[] {
  return [...new Float64Array(new Uint8Array(bytes).buffer, 0, Math.floor(bytes.length / 8))];
}

/** `[count]` whole numbers in [0, 2^32), little-endian. */
export function packCounts(values: readonly number[]): Uint8Array {
  values.forEach((value, index) => {
    if (value >>> 0 !== value)
      throw notA('count', `windowTokens[${index}]`, value, 'a whole number in [0, 2^32)');
  });
  return new Uint8Array(Uint32Array.from(values).buffer);
}

/** The inverse of {@link packCounts}. */
export function unpackCounts(bytes: Uint8Array): number[] {
  return [...new Uint32Array(new Uint8Array(bytes).buffer, 0, Math.floor(bytes.length / 4))];
}

function notA(name: string, where: string, got: number, expected: string): StoreError {
  return new StoreError({ what: `not a ${name}`, where, got: String(got), expected });
}
