import { StoreError } from './errors.js';

/** `[count]` values of 0 or 1, eight a byte, lowest bit first. */
export function packBits(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 8));
  values.forEach((value, index) => {
    if (value !== 0 && value !== 1)
      throw new StoreError({
        what: 'not a bit',
        where: `correct[${index}]`,
        got: String(value),
        expected: '0 or 1',
      });
    bytes[index >> 3] |= value << (index & 7);
  });
  return bytes;
}

export function unpackBits(bytes: Uint8Array, count: number): (0 | 1)[] {
  return Array.from({ length: count }, (_, index) =>
    ((bytes[index >> 3] >> (index & 7)) & 1) === 1 ? 1 : 0,
  );
}

/** `[count]` doubles, little-endian, bit for bit. */
export function packDoubles(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setFloat64(8 * index, value, true);
  });
  return bytes;
}

export function unpackDoubles(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / 8 }, (_, index) =>
    view.getFloat64(8 * index, true),
  );
}

/** `[count]` whole numbers in [0, 2^32), little-endian. */
export function packCounts(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    if (value >>> 0 !== value)
      throw new StoreError({
        what: 'not a count',
        where: `windowTokens[${index}]`,
        got: String(value),
        expected: 'a whole number in [0, 2^32)',
      });
    view.setUint32(4 * index, value, true);
  });
  return bytes;
}

export function unpackCounts(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / 4 }, (_, index) =>
    view.getUint32(4 * index, true),
  );
}
