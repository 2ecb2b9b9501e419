// Matrix products that skip zeros: after a squared ReLU, and on the way back through it. Conventions as in
// spiking.ts. Each output is summed in the order of `hidden`, whatever rows it is computed beside.

import { madd, sum4 } from './math';

/** Rows whose non-zero activations are listed before their products: a block of weights serves all. */
const TILE_ROWS: usize = 64;
/** Bytes of a list entry: the number of a row of the weights, and an activation. */
const ENTRY: usize = 8;
/** Columns of a panel: their sums stay in registers while a list is walked. */
const PANEL: usize = 24;
const PANEL_BYTES: usize = PANEL << 2;
/** Rows of the weights in a segment: of one panel they are 24 kB, and stay in the first-level cache. */
const SEGMENT: usize = 256;
/** With fewer rows, packing the weights costs more than it saves. */
const FEW_ROWS: usize = 8;

@inline
function segmentsOf(hidden: usize): usize {
  return (hidden + SEGMENT - 1) / SEGMENT;
}
/** Bytes of a row's list. One entry more: the last activation is written before it is known to be kept. */
@inline
function listSize(hidden: usize): usize {
  return (hidden + 1) * ENTRY;
}
/** Bytes of the ends of a row's segments. */
@inline
function endsSize(hidden: usize): usize {
  return segmentsOf(hidden) << 2;
}

/** Scratch bytes that squaredReluMatMul and sparseMatMul need. */
export function squaredReluMatMulScratch(hidden: usize, channels: usize): usize {
  const panels = (channels / PANEL) * hidden * PANEL_BYTES;
  return panels + TILE_ROWS * (listSize(hidden) + endsSize(hidden));
}

/**
 * Lists the activations of a row that are not zero behind a ReLU, NaN among them, as pairs (index, square) at
 * `entries`, and for each segment where its pairs end. Every activation is written and only those kept move the end on: which are zero cannot be
 * foretold, so no branch asks.
 */
function listSquares(x: usize, hidden: usize, entries: usize, ends: usize): void {
  let at = entries;
  for (let first: usize = 0; first < hidden; first += SEGMENT) {
    const last = min(first + SEGMENT, hidden);
    for (let j = first; j < last; j++) {
      const value = load<f32>(x + (j << 2));
      store<u32>(at, <u32>j);
      store<f32>(at + 4, value * value);
      at += <usize>i32(!(value <= 0)) << 3;
    }
    store<u32>(ends, <u32>at);
    ends += 4;
  }
}

/** The same of a row's values that are not zero. */
function listValues(x: usize, hidden: usize, entries: usize, ends: usize): void {
  let at = entries;
  for (let first: usize = 0; first < hidden; first += SEGMENT) {
    const last = min(first + SEGMENT, hidden);
    for (let j = first; j < last; j++) {
      const value = load<f32>(x + (j << 2));
      store<u32>(at, <u32>j);
      store<f32>(at + 4, value);
      at += <usize>i32(value !== 0) << 3;
    }
    store<u32>(ends, <u32>at);
    ends += 4;
  }
}

/** Lays the whole panels of weights [hidden, channels] out as [panel][hidden][24]. */
function pack(weights: usize, hidden: usize, channels: usize, packed: usize): void {
  const row = channels << 2;
  for (let c: usize = 0; c + PANEL <= channels; c += PANEL) {
    let from = weights + (c << 2);
    for (let j: usize = 0; j < hidden; j++) {
      memory.copy(packed, from, PANEL_BYTES);
      packed += PANEL_BYTES;
      from += row;
    }
  }
}

/** out[0..4) plus the sum over the entries of activation * weights[row][0..4); `row`: bytes of a row. */
function add4(entries: usize, end: usize, weights: usize, row: usize, out: usize): void {
  let sum = v128.load(out);
  for (let at = entries; at < end; at += ENTRY) {
    const from = weights + <usize>load<u32>(at) * row;
    sum = madd(v128.load32_splat(at + 4), v128.load(from), sum);
  }
  v128.store(out, sum);
}

/** The same for 24 columns. */
function add24(entries: usize, end: usize, weights: usize, row: usize, out: usize): void {
  let s0 = v128.load(out);
  let s1 = v128.load(out, 16);
  let s2 = v128.load(out, 32);
  let s3 = v128.load(out, 48);
  let s4 = v128.load(out, 64);
  let s5 = v128.load(out, 80);
  for (let at = entries; at < end; at += ENTRY) {
    const x = v128.load32_splat(at + 4);
    const from = weights + <usize>load<u32>(at) * row;
    s0 = madd(x, v128.load(from), s0);
    s1 = madd(x, v128.load(from, 16), s1);
    s2 = madd(x, v128.load(from, 32), s2);
    s3 = madd(x, v128.load(from, 48), s3);
    s4 = madd(x, v128.load(from, 64), s4);
    s5 = madd(x, v128.load(from, 80), s5);
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
  v128.store(out, s4, 64);
  v128.store(out, s5, 80);
}

/**
 * The product of what the lists hold: squares of positive values, or values. Not inlined into the two that are
 * exported, and lists made by two functions: with one body each a whole search took a seventh longer.
 */
function skippingZeros(
  x: usize,
  weights: usize,
  rows: usize,
  hidden: usize,
  channels: usize,
  out: usize,
  scratch: usize,
  squared: bool,
): void {
  const row = channels << 2;
  const whole = channels - (channels % PANEL);
  const packs = rows >= FEW_ROWS;
  const lists = scratch + whole * (hidden << 2);
  const ends = lists + TILE_ROWS * listSize(hidden);
  if (packs) pack(weights, hidden, channels, scratch);
  memory.fill(out, 0, rows * row);
  for (let top: usize = 0; top < rows; top += TILE_ROWS) {
    const height = min(TILE_ROWS, rows - top);
    for (let i: usize = 0; i < height; i++) {
      const list = lists + i * listSize(hidden);
      const segments = ends + i * endsSize(hidden);
      if (squared) listSquares(x + (top + i) * (hidden << 2), hidden, list, segments);
      else listValues(x + (top + i) * (hidden << 2), hidden, list, segments);
    }
    for (let c: usize = 0; c < channels; c += c < whole ? PANEL : 4) {
      const panel = packs ? scratch + (c << 2) * hidden : weights + (c << 2);
      const stride = packs ? PANEL_BYTES : row;
      for (let s: usize = 0; s < segmentsOf(hidden); s++)
        for (let i: usize = 0; i < height; i++) {
          const list = lists + i * listSize(hidden);
          const segments = ends + i * endsSize(hidden);
          const from = s === 0 ? list : <usize>load<u32>(segments + ((s - 1) << 2));
          const end = <usize>load<u32>(segments + (s << 2));
          const target = out + (top + i) * row + (c << 2);
          if (c < whole) add24(from, end, panel, stride, target);
          else add4(from, end, weights + (c << 2), row, target);
        }
    }
  }
}

/**
 * max(x, 0)^2 · weights, skipping the activations that are zero: in trained SpikeGPTs about four of five.
 * x: [rows, hidden]; weights: [hidden, channels]; out: [rows, channels]; scratch: see above.
 */
export function squaredReluMatMul(
  x: usize,
  weights: usize,
  rows: usize,
  hidden: usize,
  channels: usize,
  out: usize,
  scratch: usize,
): void {
  skippingZeros(x, weights, rows, hidden, channels, out, scratch, true);
}

/** x · weights, skipping the zeros of x. Shapes and scratch as of squaredReluMatMul. */
export function sparseMatMul(
  x: usize,
  weights: usize,
  rows: usize,
  hidden: usize,
  channels: usize,
  out: usize,
  scratch: usize,
): void {
  skippingZeros(x, weights, rows, hidden, channels, out, scratch, false);
}

/** Rows of the weights that meet a gradient at once: what is loaded of it serves all of them. */
const ABREAST: usize = 4;

/** The sum of products of two rows of `row` bytes. */
@inline
function dot(x: usize, y: usize, row: usize): f32 {
  const whole = row & ~15;
  let sum = f32x4.splat(0);
  for (let c: usize = 0; c < whole; c += 16)
    sum = madd(v128.load(x + c), v128.load(y + c), sum);
  let total = sum4(sum);
  for (let c = whole; c < row; c += 4) total += load<f32>(x + c) * load<f32>(y + c);
  return total;
}

/**
 * The gradient by x of max(x, 0)^2 · weights: 2 max(x, 0) (dy · weightsᵀ), of which only what is not zero is
 * computed. x, dx: [rows, hidden]; dy: [rows, channels]; weights: [hidden, channels]; list: scratch of
 * [hidden + ABREAST] numbers.
 */
export function squaredReluMatMulBackward(
  x: usize,
  dy: usize,
  weights: usize,
  rows: usize,
  hidden: usize,
  channels: usize,
  dx: usize,
  list: usize,
): void {
  const row = channels << 2;
  const whole = row & ~15;
  memory.fill(dx, 0, rows * (hidden << 2));
  for (let i: usize = 0; i < rows; i++) {
    let end = list;
    for (let j: usize = 0; j < hidden; j++) {
      store<u32>(end, <u32>j);
      end += <usize>i32(!(load<f32>(x + (j << 2)) <= 0)) << 2;
    }
    let at = list;
    if (whole === row)
      for (; at + (ABREAST << 2) <= end; at += ABREAST << 2) {
        const j0 = <usize>load<u32>(at);
        const j1 = <usize>load<u32>(at, 4);
        const j2 = <usize>load<u32>(at, 8);
        const j3 = <usize>load<u32>(at, 12);
        const w0 = weights + j0 * row;
        const w1 = weights + j1 * row;
        const w2 = weights + j2 * row;
        const w3 = weights + j3 * row;
        let s0 = f32x4.splat(0);
        let s1 = s0;
        let s2 = s0;
        let s3 = s0;
        for (let c: usize = 0; c < row; c += 16) {
          const given = v128.load(dy + c);
          s0 = madd(given, v128.load(w0 + c), s0);
          s1 = madd(given, v128.load(w1 + c), s1);
          s2 = madd(given, v128.load(w2 + c), s2);
          s3 = madd(given, v128.load(w3 + c), s3);
        }
        store<f32>(dx + (j0 << 2), 2 * load<f32>(x + (j0 << 2)) * sum4(s0));
        store<f32>(dx + (j1 << 2), 2 * load<f32>(x + (j1 << 2)) * sum4(s1));
        store<f32>(dx + (j2 << 2), 2 * load<f32>(x + (j2 << 2)) * sum4(s2));
        store<f32>(dx + (j3 << 2), 2 * load<f32>(x + (j3 << 2)) * sum4(s3));
      }
    for (; at < end; at += 4) {
      const j = <usize>load<u32>(at);
      store<f32>(dx + (j << 2), 2 * load<f32>(x + (j << 2)) * dot(dy, weights + j * row, row));
    }
    x += hidden << 2;
    dx += hidden << 2;
    dy += row;
  }
}
