// Matrix products. Conventions as in spiking.ts, but any number of rows and columns. An element of the
// result is one chain of multiply–adds in the order of the inner dimension, however the work is cut into
// tiles, so a row's numbers do not depend on the rows beside it.

import { exp4, madd } from './math';

/** Columns of a panel: with three rows, nine sums stay in registers beside what they are made of. */
const PANEL: usize = 12;
const PANEL_BYTES: usize = PANEL << 2;
/** Columns packed at once: few enough to stay near in the cache while all rows pass. */
const BLOCK: usize = 4 * PANEL;
const BLOCK_BYTES: usize = BLOCK << 2;
/** Rows of a tile. */
const TILE: usize = 3;
/** With fewer rows, packing the weights costs more than it saves. */
const FEW_ROWS: usize = 6;

/** Below every finite logit: what the running maximum starts from. */
const LOWEST: f32 = -3.4028234663852886e38;

/** x * x - y, whose last bits tell whether multiply–adds are rounded once. */
export function squareLess(x: f32, y: f32): f32 {
  return f32x4.extract_lane(madd(f32x4.splat(x), f32x4.splat(x), f32x4.splat(-y)), 0);
}

/** Scratch bytes that matMul and headTerms need. */
export function matMulScratch(inner: usize): usize {
  return inner * BLOCK_BYTES + TILE * BLOCK_BYTES;
}

/** Lays the columns [first, first + count) of weights [inner, columns] out as panels [inner, 12]. */
function pack(
  weights: usize,
  inner: usize,
  columns: usize,
  first: usize,
  count: usize,
  packed: usize,
): void {
  const row = columns << 2;
  for (let c: usize = 0; c < count; c += PANEL) {
    const wide = min(PANEL, count - c);
    let from = weights + ((first + c) << 2);
    for (let k: usize = 0; k < inner; k++) {
      if (wide === PANEL) {
        v128.store(packed, v128.load(from));
        v128.store(packed, v128.load(from, 16), 16);
        v128.store(packed, v128.load(from, 32), 32);
      } else {
        memory.fill(packed, 0, PANEL_BYTES);
        memory.copy(packed, from, wide << 2);
      }
      from += row;
      packed += PANEL_BYTES;
    }
  }
}

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
function tileRow(
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

/** One row of x [inner] times weights as they lie; out: [columns]. */
function rowTimes(x: usize, weights: usize, inner: usize, columns: usize, out: usize): void {
  const row = columns << 2;
  const whole = row & ~15;
  memory.fill(out, 0, row);
  for (let k: usize = 0; k < inner; k++) {
    const value = v128.load32_splat(x + (k << 2));
    for (let c: usize = 0; c < whole; c += 16)
      v128.store(out + c, madd(value, v128.load(weights + c), v128.load(out + c)));
    // The last columns in vectors too: only those have the fused multiply–add.
    for (let c = whole; c < row; c += 4) {
      const sum = madd(value, v128.load32_splat(weights + c), v128.load32_splat(out + c));
      store<f32>(out + c, f32x4.extract_lane(sum, 0));
    }
    weights += row;
  }
}

/**
 * out = x · weights. x: [rows, inner]; weights: [inner, columns]; out: [rows, columns]; scratch: see
 * matMulScratch.
 */
export function matMul(
  x: usize,
  weights: usize,
  rows: usize,
  inner: usize,
  columns: usize,
  out: usize,
  scratch: usize,
): void {
  const row = inner << 2;
  const outRow = columns << 2;
  if (rows < FEW_ROWS) {
    for (let i: usize = 0; i < rows; i++)
      rowTimes(x + i * row, weights, inner, columns, out + i * outRow);
    return;
  }
  const edge = scratch + inner * BLOCK_BYTES;
  const panelSize = inner * PANEL_BYTES;
  for (let first: usize = 0; first < columns; first += BLOCK) {
    const count = min(BLOCK, columns - first);
    const panels = count / PANEL;
    const left = (count - panels * PANEL) << 2;
    pack(weights, inner, columns, first, count, scratch);
    for (let i: usize = 0; i < rows; i += TILE) {
      const height = min(TILE, rows - i);
      const from = x + i * row;
      const target = out + i * outRow + (first << 2);
      tileRow(from, row, height, scratch, panelSize, panels, target, outRow);
      if (left === 0) continue;
      // The last columns do not fill a panel: beside the result first, then what there is of them.
      tileRow(from, row, height, scratch + panels * panelSize, panelSize, 1, edge, PANEL_BYTES);
      for (let t: usize = 0; t < height; t++)
        memory.copy(target + t * outRow + panels * PANEL_BYTES, edge + t * PANEL_BYTES, left);
    }
  }
}

/** Takes a block's logits of one row into its terms: sum of e^{x - highest}, highest, x[target]. */
@inline
function takeBlock(logits: usize, first: usize, count: usize, target: usize, terms: usize): void {
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

/**
 * The parts of the negative log-likelihood of one target a row, without the logarithm (whose table would be
 * static data), from hidden states: logits = x · weights, and of each row the sum of e^{logit - highest},
 * and logit[target] - highest. The logits are never all in memory.
 * x: [rows, inner]; weights: [inner, classes]; targets: int32 [rows]; out: float64 [rows, 2]; scratch:
 * see matMulScratch.
 */
export function headTerms(
  x: usize,
  weights: usize,
  targets: usize,
  rows: usize,
  inner: usize,
  classes: usize,
  out: usize,
  scratch: usize,
): void {
  const row = inner << 2;
  const logits = scratch + inner * BLOCK_BYTES;
  for (let i: usize = 0; i < rows; i++) {
    store<f64>(out + (i << 4), 0);
    store<f32>(out + (i << 4), LOWEST, 8);
  }
  for (let first: usize = 0; first < classes; first += BLOCK) {
    const count = min(BLOCK, classes - first);
    const panels = (count + PANEL - 1) / PANEL;
    pack(weights, inner, classes, first, count, scratch);
    for (let i: usize = 0; i < rows; i += TILE) {
      const height = min(TILE, rows - i);
      const from = x + i * row;
      tileRow(from, row, height, scratch, inner * PANEL_BYTES, panels, logits, BLOCK_BYTES);
      for (let t: usize = 0; t < height; t++) {
        const target = <usize>load<i32>(targets + ((i + t) << 2));
        takeBlock(logits + t * BLOCK_BYTES, first, count, target, out + ((i + t) << 4));
      }
    }
  }
  for (let i: usize = 0; i < rows; i++) {
    const terms = out + (i << 4);
    store<f64>(terms, <f64>load<f32>(terms, 12) - <f64>load<f32>(terms, 8), 8);
  }
}

/** Side of the tiles that a transposition works in: both faces of one stay in the first-level cache. */
const FACE: usize = 32;

/** out[j][i] = x[i][j] for four rows and four columns; `row`, `outRow`: bytes from one row to the next. */
@inline
function turn4(x: usize, row: usize, out: usize, outRow: usize): void {
  const a = v128.load(x);
  const b = v128.load(x + row);
  const c = v128.load(x + 2 * row);
  const d = v128.load(x + 3 * row);
  const ab = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const AB = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const CD = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(out, i64x2.shuffle(ab, cd, 0, 2));
  v128.store(out + outRow, i64x2.shuffle(ab, cd, 1, 3));
  v128.store(out + 2 * outRow, i64x2.shuffle(AB, CD, 0, 2));
  v128.store(out + 3 * outRow, i64x2.shuffle(AB, CD, 1, 3));
}

/** x: [rows, columns]; out: [columns, rows]. */
export function transpose(x: usize, rows: usize, columns: usize, out: usize): void {
  const row = columns << 2;
  const outRow = rows << 2;
  for (let top: usize = 0; top < rows; top += FACE)
    for (let left: usize = 0; left < columns; left += FACE) {
      const bottom = min(top + FACE, rows);
      const right = min(left + FACE, columns);
      for (let i = top; i < bottom; i += 4)
        for (let j = left; j < right; j += 4) {
          const from = x + i * row + (j << 2);
          const to = out + j * outRow + (i << 2);
          if (i + 4 <= bottom && j + 4 <= right) {
            turn4(from, row, to, outRow);
            continue;
          }
          const height = min(4, bottom - i);
          const width = min(4, right - j);
          for (let k: usize = 0; k < height; k++)
            for (let l: usize = 0; l < width; l++)
              store<f32>(to + l * outRow + (k << 2), load<f32>(from + k * row + (l << 2)));
        }
    }
}
