import { groupingOf } from '../scheme/granularity.js';
import type { PackedTensor } from './packed-tensor.js';

/*
 * The order in which packed weights lie for a product. A matrix [columns, inner] as it is stored has the values of
 * a column behind each other; a product of few rows goes along `inner` and wants those of neighbouring columns
 * together. So columns are taken 16 at a time: [panel][inner][record], where a record is 16 values of `bits` bits as
 * unsigned u = q + 2^(bits − 1), 2 · bits bytes, in planes from the lowest bits up:
 *
 *   8 bits  16 bytes, a value each
 *   4 bits  8 bytes: the low half of byte j is value j, the high half value j + 8
 *   2 bits  4 bytes: value j in bits 2j and 2j + 1
 *   1 bit   2 bytes: value j in bit j
 *
 * 3 bits are a plane of 2 and one of 1, 5 of 4 and 1, 6 of 4 and 2, 7 of all three. The columns that the last panel
 * lacks are 0.
 */

/** Columns of a panel. */
export const PANEL_COLUMNS = 16;

/** The widest values that panels hold. */
export const MAX_PANEL_BITS = 8;

/** Bytes of all panels of a matrix [columns, inner]. */
export function panelBytes(columns: number, inner: number, bits: number): number {
  return Math.ceil(columns / PANEL_COLUMNS) * inner * 2 * bits;
}

/**
 * Lays packed integers out as panels.
 *
 * @param packed of a matrix [columns, inner], as {@link packIntegers} packs them.
 * @param bits 1–8.
 * @param panels zeros, {@link panelBytes} of them.
 */
export function layPanels(
  packed: Uint8Array,
  bits: number,
  columns: number,
  inner: number,
  panels: Uint8Array,
): void {
  const rows = new Uint8Array(PANEL_COLUMNS * inner);
  const record = 2 * bits;
  for (let first = 0; first < columns; first += PANEL_COLUMNS) {
    const count = Math.min(PANEL_COLUMNS, columns - first);
    unpackRows(packed, bits, first * inner, count * inner, rows);
    rows.fill(0, count * inner);
    let at = (first / PANEL_COLUMNS) * inner * record;
    if (bits === 8) {
      layBytes(rows, inner, panels, at, record);
      continue;
    }
    let shift = 0;
    for (const plane of [4, 2, 1]) {
      if ((bits & plane) === 0) continue;
      if (plane === 4) layHalves(rows, inner, panels, at, record);
      else layBits(rows, inner, plane, shift, panels, at, record);
      at += 2 * plane;
      shift += plane;
    }
  }
}

/*
 * The loops are functions of their own, as in bit-packing.ts.
 */

/** Values [from, from + count) of a stream, unsigned. A row of a panel may begin within a byte. */
function unpackRows(
  packed: Uint8Array,
  bits: number,
  from: number,
  count: number,
  out: Uint8Array,
): void {
  const mask = 2 ** bits - 1;
  // Beyond 2^31 bits there are no more whole numbers to shift by.
  const start = from * bits;
  let byte = Math.floor(start / 8);
  const skipped = start - 8 * byte;
  let pending = packed[byte++] >> skipped;
  let pendingBits = 8 - skipped;
  for (let i = 0; i < count; i++) {
    if (pendingBits < bits) {
      pending |= packed[byte++] << pendingBits;
      pendingBits += 8;
    }
    out[i] = pending & mask;
    pending >>= bits;
    pendingBits -= bits;
  }
}

function layBytes(
  rows: Uint8Array,
  inner: number,
  panels: Uint8Array,
  at: number,
  record: number,
): void {
  for (let column = 0; column < PANEL_COLUMNS; column++)
    for (let k = 0, from = column * inner, to = at + column; k < inner; k++, to += record)
      panels[to] = rows[from + k];
}

function layHalves(
  rows: Uint8Array,
  inner: number,
  panels: Uint8Array,
  at: number,
  record: number,
): void {
  const above = 8 * inner;
  for (let column = 0; column < 8; column++)
    for (let k = 0, from = column * inner, to = at + column; k < inner; k++, to += record)
      panels[to] = (rows[from + k] & 15) | ((rows[from + above + k] & 15) << 4);
}

/** Planes of one or two bits: `shift` is their place in a value. */
function layBits(
  rows: Uint8Array,
  inner: number,
  plane: number,
  shift: number,
  panels: Uint8Array,
  at: number,
  record: number,
): void {
  const mask = (1 << plane) - 1;
  for (let column = 0; column < PANEL_COLUMNS; column++) {
    const bit = column * plane;
    const [byte, place] = [at + (bit >> 3), bit & 7];
    for (let k = 0, from = column * inner, to = byte; k < inner; k++, to += record)
      panels[to] |= ((rows[from + k] >> shift) & mask) << place;
  }
}

/** The u of the value 0 in a group; `sign` has it between its two values. */
function zeroOf({ scheme: { bits, method }, zeroPoints }: PackedTensor, group: number): number {
  if (method === 'sign') return 0.5;
  return (method === 'affine' ? zeroPoints[group] : 0) + 2 ** (bits - 1);
}

/** The scales and zeros of a packed tensor, so that each value is (u − zero) · scale. */
export interface GroupConstants {
  readonly scales: Float32Array;
  readonly zeros: Float32Array;
  /** Neighbours along the last axis that share a scale. */
  readonly groupLength: number;
  /** True where all of the tensor has one scale. */
  readonly shared: boolean;
}

/**
 * Scales and zeros in the order of panels, [panel][group][16], from a matrix [columns, inner]; [16] where all of it
 * has one scale. Zeros are given as 2^23 + zero: a kernel makes u a float32 by its bits, which adds 2^23.
 */
export function panelConstants(tensor: PackedTensor): GroupConstants {
  const [columns] = tensor.shape;
  const { scales, zeros, groups, groupLength, shared } = constantsOf(tensor);
  const panels = shared ? 1 : Math.ceil(columns / PANEL_COLUMNS);
  const padded = panels * groups * PANEL_COLUMNS;
  const [laidScales, laidZeros] = [new Float32Array(padded), new Float32Array(padded)];
  laidZeros.fill(2 ** 23);
  for (let column = 0; column < (shared ? PANEL_COLUMNS : columns); column++)
    for (let group = 0; group < groups; group++) {
      const panel = Math.floor(column / PANEL_COLUMNS) * groups + group;
      const to = panel * PANEL_COLUMNS + (column % PANEL_COLUMNS);
      const from = shared ? 0 : column * groups + group;
      laidScales[to] = scales[from];
      laidZeros[to] = 2 ** 23 + zeros[from];
    }
  return { scales: laidScales, zeros: laidZeros, groupLength, shared };
}

/** Scales and zeros in the order of rows, [rows, groups], or one of each for all where `shared`. */
export function rowConstants(tensor: PackedTensor): GroupConstants {
  const { scales, zeros, groupLength, shared } = constantsOf(tensor);
  return { scales, zeros, groupLength, shared };
}

function constantsOf(tensor: PackedTensor) {
  const { shape, scheme } = tensor;
  const { count, groupLength } = groupingOf(shape, scheme.granularity);
  const [rows, inner] = shape;
  const scales = scheme.method === 'sign' ? new Float32Array(count).fill(2) : tensor.scales;
  const zeros = Float32Array.from({ length: count }, (_, group) => zeroOf(tensor, group));
  const shared = scheme.granularity.kind === 'per-tensor';
  const groups = shared ? 1 : count / rows;
  return { scales, zeros, groups, groupLength: shared ? inner : groupLength, shared };
}
