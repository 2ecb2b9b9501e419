/*
 * Layout of integers for devices (c/weights.c says the same): tiles of 64 columns, in each a row behind the other; of
 * a row, planes of 8, 4, 2 and 1 bits, the widest first and lowest. In a plane of w bits the values are not neighbours
 * in a byte: the k-th of n is in byte k mod P, P = n · w / 8, at bits floor(k / P) · w, so that shifts of whole vectors
 * unpack it.
 *
 * Eight values of 3 bits, 0 to 7 → a plane of 2 bits, byte 0 with 0 2 0 2, byte 1 with 1 3 1 3 (of values 0, 2, 4, 6
 * and 1, 3, 5, 7, lowest bits first), and one of 1 bit, 0 0 0 0 1 1 1 1.
 */

/** Columns of a tile. */
export const TILE = 64;

/** Values of a row are padded to a multiple of this, so that a plane ends with a byte. */
const OCTET = 8;

const PLANE_WIDTHS = [8, 4, 2, 1] as const;

/** The widths of the planes that a bit width is cut into: 7 → 4, 2, 1. */
export function planesOf(bits: number): number[] {
  const widths: number[] = [];
  let left = bits;
  for (const width of PLANE_WIDTHS) for (; left >= width; left -= width) widths.push(width);
  return widths;
}

/** Bytes of a matrix: rows · columns · bits / 8, columns counted up to a multiple of 8. */
export function tiledLength(rows: number, columns: number, bits: number): number {
  return rows * Math.ceil(columns / OCTET) * bits;
}

/** One row's part in one tile, padded; tells where it lies. */
function forEachPart(
  rows: number,
  columns: number,
  bits: number,
  visit: (row: number, first: number, count: number, padded: number, at: number) => void,
): void {
  let at = 0;
  for (let first = 0; first < columns; first += TILE) {
    const count = Math.min(TILE, columns - first);
    const padded = Math.ceil(count / OCTET) * OCTET;
    for (let row = 0; row < rows; row++) {
      visit(row, first, count, padded, at);
      at += (padded / OCTET) * bits;
    }
  }
}

/**
 * Packs unsigned integers.
 *
 * @param unsigned [rows, columns], row-major, each below 2^bits
 * @returns [tiledLength(rows, columns, bits)]
 */
export function packTiles(
  unsigned: Uint16Array,
  rows: number,
  columns: number,
  bits: number,
): Uint8Array {
  const packed = new Uint8Array(tiledLength(rows, columns, bits));
  const part = new Uint16Array(TILE);
  const planes = planesOf(bits);
  forEachPart(rows, columns, bits, (row, first, count, padded, at) => {
    const from = row * columns + first;
    part.fill(0);
    part.set(unsigned.subarray(from, from + count));
    let base = 0;
    for (const width of planes) {
      const bytes = (padded * width) / 8;
      const mask = (1 << width) - 1;
      for (let k = 0, shift = 0; k < padded; shift += width)
        for (let j = 0; j < bytes; j++, k++) packed[at + j] |= ((part[k] >> base) & mask) << shift;
      base += width;
      at += bytes;
    }
  });
  return packed;
}

/** Float32 in the order of {@link packTiles}. @param values [rows, columns], row-major */
export function tileFloats(values: Float32Array, rows: number, columns: number): Float32Array {
  const tiled = new Float32Array(tiledLength(rows, columns, 32) / 4);
  forEachPart(rows, columns, 32, (row, first, count, _padded, at) => {
    const from = row * columns + first;
    tiled.set(values.subarray(from, from + count), at / 4);
  });
  return tiled;
}
