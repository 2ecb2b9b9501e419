// The matrix product after a squared ReLU, which skips its zeros. Conventions as in spiking.ts.

import { madd } from './math';

/** Rows whose non-zero activations are listed before their products: a tile of the weights serves all. */
const TILE_ROWS: usize = 32;
/** Bytes of a list entry: the offset of a row of the weights, and an activation. */
const ENTRY: usize = 8;

/** Scratch bytes that squaredReluMatMul needs. */
export function squaredReluMatMulScratch(hidden: usize): usize {
  // One entry more: the last activation is written before it is known to be kept.
  return TILE_ROWS * (hidden * ENTRY + 4) + ENTRY;
}

/**
 * Lists the activations of one row that are not zero, NaN among them; returns how many. Every activation
 * is written and only those kept move the end on: which are zero cannot be foretold, so no branch asks.
 */
function listActive(x: usize, hidden: usize, weightRow: usize, entries: usize): usize {
  let at = entries;
  for (let j: usize = 0; j < hidden; j++) {
    const value = load<f32>(x + (j << 2));
    store<u32>(at, <u32>(j * weightRow));
    store<f32>(at + 4, value * value);
    at += <usize>i32(!(value <= 0)) << 3;
  }
  return (at - entries) / ENTRY;
}

/** Sum over the entries of activation * weights[row][c .. c + 4). */
@inline
function product4(entries: usize, end: usize, weights: usize, out: usize): void {
  let sum = f32x4.splat(0);
  for (let at = entries; at < end; at += ENTRY)
    sum = madd(v128.load32_splat(at + 4), v128.load(weights + load<u32>(at)), sum);
  v128.store(out, sum);
}

/** The same for 24 columns: their sums stay in registers while the list is walked once. */
function product24(entries: usize, end: usize, weights: usize, out: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let s4 = s0;
  let s5 = s0;
  for (let at = entries; at < end; at += ENTRY) {
    const x = v128.load32_splat(at + 4);
    const row = weights + load<u32>(at);
    s0 = madd(x, v128.load(row), s0);
    s1 = madd(x, v128.load(row, 16), s1);
    s2 = madd(x, v128.load(row, 32), s2);
    s3 = madd(x, v128.load(row, 48), s3);
    s4 = madd(x, v128.load(row, 64), s4);
    s5 = madd(x, v128.load(row, 80), s5);
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
  v128.store(out, s4, 64);
  v128.store(out, s5, 80);
}

/**
 * max(x, 0)^2 · weights, skipping the activations that are zero: in trained SpikeGPTs about four of five.
 * x: [rows, hidden]; weights: [hidden, channels]; out: [rows, channels]; scratch: see above. Each output
 * is summed in the order of `hidden`, whatever rows it is computed beside.
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
  const counts = scratch + TILE_ROWS * hidden * ENTRY + ENTRY;
  const row = channels << 2;
  for (let top: usize = 0; top < rows; top += TILE_ROWS) {
    const height = min(TILE_ROWS, rows - top);
    for (let i: usize = 0; i < height; i++) {
      const entries = scratch + i * hidden * ENTRY;
      const active = listActive(x + (top + i) * (hidden << 2), hidden, row, entries);
      store<u32>(counts + (i << 2), <u32>active);
    }
    for (let c: usize = 0; c < channels; ) {
      const wide = c + 24 <= channels;
      const at = c << 2;
      for (let i: usize = 0; i < height; i++) {
        const entries = scratch + i * hidden * ENTRY;
        const end = entries + <usize>load<u32>(counts + (i << 2)) * ENTRY;
        const target = out + (top + i) * row + at;
        if (wide) product24(entries, end, weights + at, target);
        else product4(entries, end, weights + at, target);
      }
      c += wide ? 24 : 4;
    }
  }
}
