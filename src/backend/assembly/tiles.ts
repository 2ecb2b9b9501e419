// The tiles that matrix products are made of, whatever the weights were packed from: rows of x times panels of
// columns, and what becomes of a block of logits. An element is one chain of multiply–adds in the order of the
// inner dimension.

import { exp4, madd } from './math';

/** Columns of a panel: with three rows, nine sums stay in registers beside what they are made of. */
export const PANEL: usize = 12;
export const PANEL_BYTES: usize = PANEL << 2;
/** Columns packed at once: few enough to stay near in the cache while all rows pass. */
export const BLOCK: usize = 4 * PANEL;
export const BLOCK_BYTES: usize = BLOCK << 2;
/** Rows of a tile. */
export const TILE: usize = 3;

/** Below every finite logit: what the running maximum starts from. */
const LOWEST: f32 = -3.4028234663852886e38;

/** Three rows of x times a panel; `row` and `outRow`: bytes from one row to the next. */
@inline
function tile3(x: usize, row: usize, panel: usize, out: usize, outRow: usize): void {
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let b0 = a0;
  let b1 = a0;
  let b2 = a0;
  let c0 = a0;
  let c1 = a0;
  let c2 = a0;
  let x0 = x;
  let x1 = x + row;
  let x2 = x1 + row;
  const end = x1;
  // Not unrolled: V8 then runs out of registers and takes twice the time.
  while (x0 < end) {
    const w0 = v128.load(panel);
    const w1 = v128.load(panel, 16);
    const w2 = v128.load(panel, 32);
    let value = v128.load32_splat(x0);
    a0 = madd(value, w0, a0);
    a1 = madd(value, w1, a1);
    a2 = madd(value, w2, a2);
    value = v128.load32_splat(x1);
    b0 = madd(value, w0, b0);
    b1 = madd(value, w1, b1);
    b2 = madd(value, w2, b2);
    value = v128.load32_splat(x2);
    c0 = madd(value, w0, c0);
    c1 = madd(value, w1, c1);
    c2 = madd(value, w2, c2);
    x0 += 4;
    x1 += 4;
    x2 += 4;
    panel += PANEL_BYTES;
  }
  v128.store(out, a0);
  v128.store(out, a1, 16);
  v128.store(out, a2, 32);
  out += outRow;
  v128.store(out, b0);
  v128.store(out, b1, 16);
  v128.store(out, b2, 32);
  out += outRow;
  v128.store(out, c0);
  v128.store(out, c1, 16);
  v128.store(out, c2, 32);
}

/** One row of x times a panel. */
function tile1(x: usize, row: usize, panel: usize, out: usize): void {
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  for (const end = x + row; x < end; x += 4) {
    const value = v128.load32_splat(x);
    a0 = madd(value, v128.load(panel), a0);
    a1 = madd(value, v128.load(panel, 16), a1);
    a2 = madd(value, v128.load(panel, 32), a2);
    panel += PANEL_BYTES;
  }
  v128.store(out, a0);
  v128.store(out, a1, 16);
  v128.store(out, a2, 32);
}

/** `height` rows, at most three, times all panels of a block. */
@inline
export function tileRow(
  x: usize,
  row: usize,
  height: usize,
  packed: usize,
  panelSize: usize,
  panels: usize,
  out: usize,
  outRow: usize,
): void {
  for (let p: usize = 0; p < panels; p++) {
    const panel = packed + p * panelSize;
    const target = out + p * PANEL_BYTES;
    if (height === TILE) tile3(x, row, panel, target, outRow);
    else
      for (let i: usize = 0; i < height; i++)
        tile1(x + i * row, row, panel, target + i * outRow);
  }
}

/** Takes a block's logits of one row into its terms: sum of e^{x - highest}, highest, x[target]. */
@inline
export function takeBlock(logits: usize, first: usize, count: usize, target: usize, terms: usize): void {
  // Columns that are not there: e^-∞ adds nothing.
  for (let c = count; c < BLOCK; c++) store<f32>(logits + (c << 2), -Infinity);
  let high4 = v128.load(logits);
  // NaN loses here, and shows in the sum.
  for (let c: usize = 16; c < BLOCK_BYTES; c += 16)
    high4 = f32x4.pmax(high4, v128.load(logits + c));
  const high = max(
    max(f32x4.extract_lane(high4, 0), f32x4.extract_lane(high4, 1)),
    max(f32x4.extract_lane(high4, 2), f32x4.extract_lane(high4, 3)),
  );
  let total = load<f64>(terms);
  let highest = load<f32>(terms, 8);
  if (high > highest) {
    const shrink = exp4(f32x4.splat(highest - high));
    total *= <f64>f32x4.extract_lane(shrink, 0);
    highest = high;
    store<f32>(terms, highest, 8);
  }
  // Summed in float32 within the block, then in float64: 50,000 float32 additions would lose digits.
  const highest4 = f32x4.splat(highest);
  let sum = f32x4.splat(0);
  for (let c: usize = 0; c < BLOCK_BYTES; c += 16)
    sum = f32x4.add(sum, exp4(f32x4.sub(v128.load(logits + c), highest4)));
  const pairs = f64x2.add(
    f64x2.promote_low_f32x4(sum),
    f64x2.promote_low_f32x4(i64x2.shuffle(sum, sum, 1, 1)),
  );
  store<f64>(terms, total + (f64x2.extract_lane(pairs, 0) + f64x2.extract_lane(pairs, 1)));
  if (target - first < count) store<f32>(terms, load<f32>(logits + ((target - first) << 2)), 12);
}

/** Terms of no logits yet, of each row: see headTerms. */
@inline
export function startTerms(rows: usize, out: usize): void {
  for (let i: usize = 0; i < rows; i++) {
    store<f64>(out + (i << 4), 0);
    store<f32>(out + (i << 4), LOWEST, 8);
  }
}

/** From highest and x[target] of each row to x[target] - highest. */
@inline
export function endTerms(rows: usize, out: usize): void {
  for (let i: usize = 0; i < rows; i++) {
    const terms = out + (i << 4);
    store<f64>(terms, <f64>load<f32>(terms, 12) - <f64>load<f32>(terms, 8), 8);
  }
}
