// Matrix products. Conventions as in spiking.ts, but any number of rows and columns. An element of the
// result is one chain of multiply–adds in the order of the inner dimension, however the work is cut into
// tiles, so a row's numbers do not depend on the rows beside it.

import { madd } from './math';
import { BLOCK, BLOCK_BYTES, PANEL, PANEL_BYTES, endTerms, startTerms, takeBlock, TILE, tileRow } from './tiles';

/** With fewer rows, packing the weights costs more than it saves. */
const FEW_ROWS: usize = 6;

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
  startTerms(rows, out);
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
  endTerms(rows, out);
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
