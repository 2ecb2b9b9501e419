// Matrix products whose weights stay packed, 1 to 8 bits a value. Conventions as in matmul.ts: an element of the
// result is one chain of multiply–adds in the order of the inner dimension, and a weight enters it as the float32
// (u - zero) * scale, which is the value that a simulated plan has. So every number is, to the last bit, that of
// the float32 kernels on the simulated weights.
//
// Weights [inner, columns] lie as panels of 16 columns, [panel][inner][record]; a record is 16 values u of `bits`
// bits, 2 * bits bytes, as planes from the lowest bits up:
//   8 bits  16 bytes, a value each
//   4 bits  8 bytes: the low half of byte j is value j, the high half value j + 8
//   2 bits  two 16-bit numbers, of values 0 to 7 and 8 to 15, the first in the lowest bits
//   1 bit   a 16-bit number, value j in bit j
// 3 bits are a plane of 2 and one of 1, and so on. Scales and zeros: float32 [panel][group][16], a group being
// `groupLength` neighbours along the inner dimension; a zero is given as 2^23 + u of the value 0. `step`: bytes from
// one group of 16 to the next, 64, or 0 where all of the matrix share one.

import { madd } from './math';
import {
  BLOCK,
  BLOCK_BYTES,
  endTerms,
  PANEL,
  PANEL_BYTES,
  startTerms,
  takeBlock,
  TILE,
  tileRow,
} from './tiles';

/** Columns of a packed panel. */
const LANES: usize = 16;
const LANES_BYTES: usize = LANES << 2;
/** With fewer rows, weights are dequantized in registers, for each row again; else once, into float32 panels. */
const FEW_ROWS: usize = 6;
/** Bytes of a list entry: the place of a record or a row, and an activation. */
const ENTRY: usize = 8;

/** The upper half of a float32 in [2^23, 2^24), whose lower half is its whole number less 2^23. */
const EXPONENT: i16 = 0x4b00;

/** Values 0 to 7 of a record in 16-bit lanes. `bits` is a constant where this is inlined. */
@inline
function low8(bits: u32, at: usize): v128 {
  if (bits === 8) return v128.load_ext<u8>(at);
  let u = i16x8.splat(0);
  if (bits & 4) u = v128.and(v128.load_ext<u8>(at), i16x8.splat(15));
  if (bits & 2) {
    const from = at + ((bits & 4) << 1);
    // Each lane's value is moved to the top of the lane: shifts go by one number for all lanes, products do not.
    const top = i16x8.mul(
      v128.load_splat<u16>(from),
      i16x8(16384, 4096, 1024, 256, 64, 16, 4, 1),
    );
    if (bits & 4) u = v128.or(u, v128.and(i16x8.shr_u(top, 10), i16x8.splat(0x30)));
    else u = i16x8.shr_u(top, 14);
  }
  if (bits & 1) {
    const from = at + ((bits & 6) << 1);
    const top = i16x8.mul(
      v128.load_splat<u16>(from),
      i16x8(-32768, 16384, 8192, 4096, 2048, 1024, 512, 256),
    );
    const bit: u32 = bits & 6;
    if (bit) u = v128.or(u, v128.and(i16x8.shr_u(top, 15 - bit), i16x8.splat(<i16>(<u32>1 << bit))));
    else u = i16x8.shr_u(top, 15);
  }
  return u;
}

/** Values 8 to 15 of a record. */
@inline
function high8(bits: u32, at: usize): v128 {
  if (bits === 8) return v128.load_ext<u8>(at + 8);
  let u = i16x8.splat(0);
  if (bits & 4) u = i16x8.shr_u(v128.load_ext<u8>(at), 4);
  if (bits & 2) {
    const from = at + ((bits & 4) << 1) + 2;
    const top = i16x8.mul(
      v128.load_splat<u16>(from),
      i16x8(16384, 4096, 1024, 256, 64, 16, 4, 1),
    );
    if (bits & 4) u = v128.or(u, v128.and(i16x8.shr_u(top, 10), i16x8.splat(0x30)));
    else u = i16x8.shr_u(top, 14);
  }
  if (bits & 1) {
    const from = at + ((bits & 6) << 1);
    const top = i16x8.mul(v128.load_splat<u16>(from), i16x8(128, 64, 32, 16, 8, 4, 2, 1));
    const bit: u32 = bits & 6;
    if (bit) u = v128.or(u, v128.and(i16x8.shr_u(top, 15 - bit), i16x8.splat(<i16>(<u32>1 << bit))));
    else u = i16x8.shr_u(top, 15);
  }
  return u;
}

/** (u - zero) * scale of the first four of 16-bit lanes, rounded as on the host: the difference is exact. */
@inline
function first4(u: v128, zero: v128, scale: v128): v128 {
  const whole = i16x8.shuffle(u, i16x8.splat(EXPONENT), 0, 8, 1, 9, 2, 10, 3, 11);
  return f32x4.mul(f32x4.sub(whole, zero), scale);
}

/** The same of the last four. */
@inline
function last4(u: v128, zero: v128, scale: v128): v128 {
  const whole = i16x8.shuffle(u, i16x8.splat(EXPONENT), 4, 12, 5, 13, 6, 14, 7, 15);
  return f32x4.mul(f32x4.sub(whole, zero), scale);
}

/**
 * Lists what of a row is not zero, as pairs (place, value): places are `unit` bytes apart. `ends`: where the pairs
 * of each `segment` values end. Squared: of what is not zero behind a ReLU, the square.
 * An odd pair is followed by one of zero, so that whoever walks a list takes two at a time.
 * Every value is written and only those kept move the end on: which are zero cannot be foretold, so no branch asks.
 */
function list(
  x: usize,
  inner: usize,
  segment: usize,
  unit: usize,
  squared: bool,
  entries: usize,
  ends: usize,
): void {
  let at = entries;
  let place: usize = 0;
  for (let first: usize = 0; first < inner; first += segment) {
    const end = x + (min(first + segment, inner) << 2);
    if (squared)
      for (let from = x + (first << 2); from < end; from += 4) {
        const value = load<f32>(from);
        store<u32>(at, <u32>place);
        store<f32>(at, value * value, 4);
        at += <usize>i32(!(value <= 0)) << 3;
        place += unit;
      }
    else
      for (let from = x + (first << 2); from < end; from += 4) {
        const value = load<f32>(from);
        store<u32>(at, <u32>place);
        store<f32>(at, value, 4);
        at += <usize>i32(value !== 0) << 3;
        place += unit;
      }
    if ((at - entries) & ENTRY) {
      store<u64>(at, 0);
      at += ENTRY;
    }
    store<u32>(ends, <u32>at);
    ends += 4;
  }
}

/** The product of a list with all panels; out: [columns]. The last panel goes to `edge` first. */
@inline
function listTimes(
  bits: u32,
  entries: usize,
  ends: usize,
  groups: usize,
  panels: usize,
  size: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  columns: usize,
  out: usize,
  edge: usize,
): void {
  for (let first: usize = 0; first < columns; first += LANES) {
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let at = entries;
    for (let g: usize = 0; g < groups; g++) {
      const end = <usize>load<u32>(ends + (g << 2));
      // Two at a time: scales and zeros, for which there are no registers left, are loaded once for both.
      for (; at < end; at += 2 * ENTRY) {
        const from = panels + <usize>load<u32>(at);
        const next = panels + <usize>load<u32>(at, ENTRY);
        const x = v128.load32_splat(at, 4);
        const y = v128.load32_splat(at, ENTRY + 4);
        let u = low8(bits, from);
        let v = low8(bits, next);
        let zero = v128.load(zeros);
        let scale = v128.load(scales);
        a0 = madd(y, first4(v, zero, scale), madd(x, first4(u, zero, scale), a0));
        zero = v128.load(zeros, 16);
        scale = v128.load(scales, 16);
        a1 = madd(y, last4(v, zero, scale), madd(x, last4(u, zero, scale), a1));
        u = high8(bits, from);
        v = high8(bits, next);
        zero = v128.load(zeros, 32);
        scale = v128.load(scales, 32);
        a2 = madd(y, first4(v, zero, scale), madd(x, first4(u, zero, scale), a2));
        zero = v128.load(zeros, 48);
        scale = v128.load(scales, 48);
        a3 = madd(y, last4(v, zero, scale), madd(x, last4(u, zero, scale), a3));
      }
      scales += step;
      zeros += step;
    }
    const whole = first + LANES <= columns;
    const target = whole ? out + (first << 2) : edge;
    v128.store(target, a0);
    v128.store(target, a1, 16);
    v128.store(target, a2, 32);
    v128.store(target, a3, 48);
    if (!whole) memory.copy(out + (first << 2), edge, (columns - first) << 2);
    panels += size;
  }
}

// A body a width, exported so that the optimizer does not make one function of all: V8 then keeps the constants of
// every width in its registers, and takes almost twice the time.

export function listTimes1(
  entries: usize,
  ends: usize,
  groups: usize,
  panels: usize,
  size: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  columns: usize,
  out: usize,
  edge: usize,
): void {
  listTimes(1, entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
}
export function listTimes2(
  entries: usize,
  ends: usize,
  groups: usize,
  panels: usize,
  size: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  columns: usize,
  out: usize,
  edge: usize,
): void {
  listTimes(2, entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
}
export function listTimes3(
  entries: usize,
  ends: usize,
  groups: usize,
  panels: usize,
  size: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  columns: usize,
  out: usize,
  edge: usize,
): void {
  listTimes(3, entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
}
export function listTimes4(
  entries: usize,
  ends: usize,
  groups: usize,
  panels: usize,
  size: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  columns: usize,
  out: usize,
  edge: usize,
): void {
  listTimes(4, entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
}
export function listTimes5(
  entries: usize,
  ends: usize,
  groups: usize,
  panels: usize,
  size: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  columns: usize,
  out: usize,
  edge: usize,
): void {
  listTimes(5, entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
}
export function listTimes6(
  entries: usize,
  ends: usize,
  groups: usize,
  panels: usize,
  size: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  columns: usize,
  out: usize,
  edge: usize,
): void {
  listTimes(6, entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
}
export function listTimes7(
  entries: usize,
  ends: usize,
  groups: usize,
  panels: usize,
  size: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  columns: usize,
  out: usize,
  edge: usize,
): void {
  listTimes(7, entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
}
export function listTimes8(
  entries: usize,
  ends: usize,
  groups: usize,
  panels: usize,
  size: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  columns: usize,
  out: usize,
  edge: usize,
): void {
  listTimes(8, entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
}
/** {@link listTimes} of the width. */
function listTimesOf(
  bits: u32,
  entries: usize,
  ends: usize,
  groups: usize,
  panels: usize,
  size: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  columns: usize,
  out: usize,
  edge: usize,
): void {
  if (bits === 4) listTimes4(entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
  else if (bits === 8) listTimes8(entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
  else if (bits === 3) listTimes3(entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
  else if (bits === 2) listTimes2(entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
  else if (bits === 6) listTimes6(entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
  else if (bits === 5) listTimes5(entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
  else if (bits === 7) listTimes7(entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
  else listTimes1(entries, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
}

/** Dequantizes a panel; value k of each quarter goes to its target, `stride` bytes from one k to the next. */
@inline
function spread(
  bits: u32,
  panel: usize,
  inner: usize,
  groupLength: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  t0: usize,
  t1: usize,
  t2: usize,
  t3: usize,
  stride: usize,
): void {
  let to: usize = 0;
  for (let k: usize = 0; k < inner; ) {
    const end = min(k + groupLength, inner);
    for (; k < end; k++) {
      const low = low8(bits, panel);
      v128.store(t0 + to, first4(low, v128.load(zeros), v128.load(scales)));
      v128.store(t1 + to, last4(low, v128.load(zeros, 16), v128.load(scales, 16)));
      const high = high8(bits, panel);
      v128.store(t2 + to, first4(high, v128.load(zeros, 32), v128.load(scales, 32)));
      v128.store(t3 + to, last4(high, v128.load(zeros, 48), v128.load(scales, 48)));
      panel += bits << 1;
      to += stride;
    }
    scales += step;
    zeros += step;
  }
}

export function spread1(
  panel: usize,
  inner: usize,
  groupLength: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  t0: usize,
  t1: usize,
  t2: usize,
  t3: usize,
  stride: usize,
): void {
  spread(1, panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
}
export function spread2(
  panel: usize,
  inner: usize,
  groupLength: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  t0: usize,
  t1: usize,
  t2: usize,
  t3: usize,
  stride: usize,
): void {
  spread(2, panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
}
export function spread3(
  panel: usize,
  inner: usize,
  groupLength: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  t0: usize,
  t1: usize,
  t2: usize,
  t3: usize,
  stride: usize,
): void {
  spread(3, panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
}
export function spread4(
  panel: usize,
  inner: usize,
  groupLength: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  t0: usize,
  t1: usize,
  t2: usize,
  t3: usize,
  stride: usize,
): void {
  spread(4, panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
}
export function spread5(
  panel: usize,
  inner: usize,
  groupLength: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  t0: usize,
  t1: usize,
  t2: usize,
  t3: usize,
  stride: usize,
): void {
  spread(5, panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
}
export function spread6(
  panel: usize,
  inner: usize,
  groupLength: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  t0: usize,
  t1: usize,
  t2: usize,
  t3: usize,
  stride: usize,
): void {
  spread(6, panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
}
export function spread7(
  panel: usize,
  inner: usize,
  groupLength: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  t0: usize,
  t1: usize,
  t2: usize,
  t3: usize,
  stride: usize,
): void {
  spread(7, panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
}
export function spread8(
  panel: usize,
  inner: usize,
  groupLength: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  t0: usize,
  t1: usize,
  t2: usize,
  t3: usize,
  stride: usize,
): void {
  spread(8, panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
}
/** {@link spread} of the width. */
function spreadOf(
  bits: u32,
  panel: usize,
  inner: usize,
  groupLength: usize,
  scales: usize,
  zeros: usize,
  step: usize,
  t0: usize,
  t1: usize,
  t2: usize,
  t3: usize,
  stride: usize,
): void {
  if (bits === 4) spread4(panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
  else if (bits === 8) spread8(panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
  else if (bits === 3) spread3(panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
  else if (bits === 2) spread2(panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
  else if (bits === 6) spread6(panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
  else if (bits === 5) spread5(panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
  else if (bits === 7) spread7(panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
  else spread1(panel, inner, groupLength, scales, zeros, step, t0, t1, t2, t3, stride);
}

@inline
function groupsOf(inner: usize, groupLength: usize): usize {
  return (inner + groupLength - 1) / groupLength;
}

/** Dequantizes `count` columns from `first` on, a multiple of 16, into float32 panels [inner, 12]. */
function unpackBlock(
  panels: usize,
  scales: usize,
  zeros: usize,
  bits: u32,
  groupLength: usize,
  step: usize,
  inner: usize,
  first: usize,
  count: usize,
  out: usize,
): void {
  const size = inner * (bits << 1);
  const group = groupsOf(inner, groupLength) * step;
  const panelSize = inner * PANEL_BYTES;
  for (let c: usize = 0; c < count; c += LANES) {
    const p = (first + c) / LANES;
    const q = c >> 2;
    spreadOf(
      bits,
      panels + p * size,
      inner,
      groupLength,
      scales + p * group,
      zeros + p * group,
      step,
      out + (q / 3) * panelSize + ((q % 3) << 4),
      out + ((q + 1) / 3) * panelSize + (((q + 1) % 3) << 4),
      out + ((q + 2) / 3) * panelSize + (((q + 2) % 3) << 4),
      out + ((q + 3) / 3) * panelSize + (((q + 3) % 3) << 4),
      PANEL_BYTES,
    );
  }
}

/**
 * Bytes of a row's list: an entry more, since the last value is written before it is known to be kept, and one a
 * segment to make it even.
 */
@inline
function listSize(inner: usize, segments: usize): usize {
  return (inner + segments + 1) * ENTRY;
}

/** One row after the other times weights that are dequantized in registers. */
function fewRows(
  x: usize,
  panels: usize,
  scales: usize,
  zeros: usize,
  bits: u32,
  groupLength: usize,
  step: usize,
  rows: usize,
  inner: usize,
  columns: usize,
  squared: bool,
  out: usize,
  scratch: usize,
): void {
  const groups = groupsOf(inner, groupLength);
  const record: usize = bits << 1;
  const ends = scratch + listSize(inner, groups);
  const edge = ends + (groups << 2);
  for (let i: usize = 0; i < rows; i++) {
    list(x, inner, groupLength, record, squared, scratch, ends);
    const size = inner * record;
    listTimesOf(bits, scratch, ends, groups, panels, size, scales, zeros, step, columns, out, edge);
    x += inner << 2;
    out += columns << 2;
  }
}

@inline
function fewRowsScratch(inner: usize, groupLength: usize): usize {
  const groups = groupsOf(inner, groupLength);
  return listSize(inner, groups) + (groups << 2) + LANES_BYTES;
}

/** Scratch bytes that packedMatMul and packedHeadTerms need. */
export function packedMatMulScratch(rows: usize, inner: usize, groupLength: usize): usize {
  return max(inner * BLOCK_BYTES + TILE * BLOCK_BYTES, fewRowsScratch(inner, groupLength));
}

/**
 * out = x · weights. x: [rows, inner]; weights [inner, columns] as said above; out: [rows, columns]; scratch: see
 * packedMatMulScratch. With few rows what is zero in x is skipped.
 */
export function packedMatMul(
  x: usize,
  panels: usize,
  scales: usize,
  zeros: usize,
  bits: u32,
  groupLength: usize,
  step: usize,
  rows: usize,
  inner: usize,
  columns: usize,
  out: usize,
  scratch: usize,
): void {
  if (rows < FEW_ROWS) {
    fewRows(
      x, panels, scales, zeros, bits, groupLength, step, rows, inner, columns, false, out, scratch,
    );
    return;
  }
  const row = inner << 2;
  const outRow = columns << 2;
  const edge = scratch + inner * BLOCK_BYTES;
  const panelSize = inner * PANEL_BYTES;
  for (let first: usize = 0; first < columns; first += BLOCK) {
    const count = min(BLOCK, columns - first);
    const whole = count / PANEL;
    const left = (count - whole * PANEL) << 2;
    unpackBlock(panels, scales, zeros, bits, groupLength, step, inner, first, count, scratch);
    for (let i: usize = 0; i < rows; i += TILE) {
      const height = min(TILE, rows - i);
      const from = x + i * row;
      const target = out + i * outRow + (first << 2);
      tileRow(from, row, height, scratch, panelSize, whole, target, outRow);
      if (left === 0) continue;
      tileRow(from, row, height, scratch + whole * panelSize, panelSize, 1, edge, PANEL_BYTES);
      for (let t: usize = 0; t < height; t++)
        memory.copy(target + t * outRow + whole * PANEL_BYTES, edge + t * PANEL_BYTES, left);
    }
  }
}

/** headTerms of packed weights. Scratch: see packedMatMulScratch. */
export function packedHeadTerms(
  x: usize,
  panels: usize,
  scales: usize,
  zeros: usize,
  bits: u32,
  groupLength: usize,
  step: usize,
  targets: usize,
  rows: usize,
  inner: usize,
  classes: usize,
  out: usize,
  scratch: usize,
): void {
  const row = inner << 2;
  const logits = scratch + inner * BLOCK_BYTES;
  startTerms(rows, out);
  for (let first: usize = 0; first < classes; first += BLOCK) {
    const count = min(BLOCK, classes - first);
    const wide = (count + PANEL - 1) / PANEL;
    unpackBlock(panels, scales, zeros, bits, groupLength, step, inner, first, count, scratch);
    for (let i: usize = 0; i < rows; i += TILE) {
      const height = min(TILE, rows - i);
      const from = x + i * row;
      tileRow(from, row, height, scratch, inner * PANEL_BYTES, wide, logits, BLOCK_BYTES);
      for (let t: usize = 0; t < height; t++) {
        const target = <usize>load<i32>(targets + ((i + t) << 2));
        takeBlock(logits + t * BLOCK_BYTES, first, count, target, out + ((i + t) << 4));
      }
    }
  }
  endTerms(rows, out);
}

/** Columns of a float32 panel of the product that skips zeros: eight sums stay in registers. */
const WIDE: usize = 32;
const WIDE_BYTES: usize = WIDE << 2;
/** Inner values of a segment: of one panel they are 24 kB, and stay in the first-level cache. */
const SEGMENT: usize = 192;
/** Rows whose lists are held at once: the weights are dequantized again for each so many. */
const LISTED: usize = 128;

@inline
function segmentsOf(inner: usize): usize {
  return (inner + SEGMENT - 1) / SEGMENT;
}

/** Scratch bytes that packedSquaredReluMatMul needs. */
export function packedSquaredReluMatMulScratch(
  rows: usize,
  inner: usize,
  groupLength: usize,
): usize {
  const segments = segmentsOf(inner);
  const listed = min(rows, LISTED) * (listSize(inner, segments) + (segments << 2) + WIDE_BYTES);
  return max(inner * WIDE_BYTES + listed, fewRowsScratch(inner, groupLength));
}

/** sums[32] += what entries hold times a panel [inner, 32]. */
function addWide(entries: usize, end: usize, panel: usize, sums: usize): void {
  let s0 = v128.load(sums);
  let s1 = v128.load(sums, 16);
  let s2 = v128.load(sums, 32);
  let s3 = v128.load(sums, 48);
  let s4 = v128.load(sums, 64);
  let s5 = v128.load(sums, 80);
  let s6 = v128.load(sums, 96);
  let s7 = v128.load(sums, 112);
  for (let at = entries; at < end; at += ENTRY) {
    const x = v128.load32_splat(at, 4);
    const from = panel + <usize>load<u32>(at);
    s0 = madd(x, v128.load(from), s0);
    s1 = madd(x, v128.load(from, 16), s1);
    s2 = madd(x, v128.load(from, 32), s2);
    s3 = madd(x, v128.load(from, 48), s3);
    s4 = madd(x, v128.load(from, 64), s4);
    s5 = madd(x, v128.load(from, 80), s5);
    s6 = madd(x, v128.load(from, 96), s6);
    s7 = madd(x, v128.load(from, 112), s7);
  }
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
  v128.store(sums, s2, 32);
  v128.store(sums, s3, 48);
  v128.store(sums, s4, 64);
  v128.store(sums, s5, 80);
  v128.store(sums, s6, 96);
  v128.store(sums, s7, 112);
}

/**
 * max(x, 0)^2 · weights, skipping the activations that are zero. x: [rows, inner]; weights [inner, columns] as said
 * above; out: [rows, columns]; scratch: see packedSquaredReluMatMulScratch.
 */
export function packedSquaredReluMatMul(
  x: usize,
  panels: usize,
  scales: usize,
  zeros: usize,
  bits: u32,
  groupLength: usize,
  step: usize,
  rows: usize,
  inner: usize,
  columns: usize,
  out: usize,
  scratch: usize,
): void {
  if (rows < FEW_ROWS) {
    fewRows(x, panels, scales, zeros, bits, groupLength, step, rows, inner, columns, true, out, scratch);
    return;
  }
  const size = inner * (bits << 1);
  const group = groupsOf(inner, groupLength) * step;
  const segments = segmentsOf(inner);
  const most = min(rows, LISTED);
  const lists = scratch + inner * WIDE_BYTES;
  const ends = lists + most * listSize(inner, segments);
  const sums = ends + most * (segments << 2);
  for (let top: usize = 0; top < rows; top += LISTED) {
    const height = min(LISTED, rows - top);
    for (let i: usize = 0; i < height; i++)
      list(
        x + (top + i) * (inner << 2),
        inner,
        SEGMENT,
        WIDE_BYTES,
        true,
        lists + i * listSize(inner, segments),
        ends + i * (segments << 2),
      );
    for (let first: usize = 0; first < columns; first += WIDE) {
      const count = min(WIDE, columns - first);
      for (let c: usize = 0; c < count; c += LANES) {
        const p = (first + c) / LANES;
        const to = scratch + (c << 2);
        spreadOf(
          bits,
          panels + p * size,
          inner,
          groupLength,
          scales + p * group,
          zeros + p * group,
          step,
          to,
          to + 16,
          to + 32,
          to + 48,
          WIDE_BYTES,
        );
      }
      memory.fill(sums, 0, height * WIDE_BYTES);
      for (let s: usize = 0; s < segments; s++)
        for (let i: usize = 0; i < height; i++) {
          const own = ends + i * (segments << 2) + (s << 2);
          const from = s === 0 ? lists + i * listSize(inner, segments) : <usize>load<u32>(own - 4);
          addWide(from, <usize>load<u32>(own), scratch, sums + i * WIDE_BYTES);
        }
      for (let i: usize = 0; i < height; i++)
        memory.copy(
          out + ((top + i) * columns + first) * 4,
          sums + i * WIDE_BYTES,
          count << 2,
        );
    }
  }
}

/**
 * Rows of a packed table by index. table: [rows, channels] row-major, values of `bits` bits without gaps, lowest bit
 * first, and readable four bytes past its end; scales, zeros: float32 [rows, groups] or, with `shared`, one of each;
 * a zero is given as u of the value 0. out: [count, channels]; with `spikes`, 1 for what is not below 0, else 0.
 */
export function packedRows(
  table: usize,
  scales: usize,
  zeros: usize,
  bits: u32,
  groupLength: usize,
  shared: bool,
  indices: usize,
  count: usize,
  channels: usize,
  spikes: bool,
  out: usize,
): void {
  const mask: u32 = (1 << bits) - 1;
  const groups = groupsOf(channels, groupLength);
  for (let i: usize = 0; i < count; i++) {
    const row = <usize>load<i32>(indices + (i << 2));
    // Tables may have more than 2^32 bits.
    let bit = <u64>row * channels * bits;
    let group: usize = shared ? 0 : (row * groups) << 2;
    for (let c: usize = 0; c < channels; ) {
      const end = min(c + groupLength, channels);
      const scale = load<f32>(scales + group);
      const zero = load<f32>(zeros + group);
      for (; c < end; c++) {
        const u = (load<u32>(table + <usize>(bit >> 3)) >> <u32>(bit & 7)) & mask;
        const value = (<f32>u - zero) * scale;
        store<f32>(out, spikes ? <f32>i32(value >= 0) : value);
        bit += bits;
        out += 4;
      }
      group += 4;
    }
  }
}
