import type { Grid } from './grid.js';
import { ROUNDER } from './rounding.js';

/*
 * The loops over values [from, to) of one group. All of them compute, in float32 as PyTorch does,
 *   k = clamp(round(x / scale), low, high),   x' = k · scale,
 * with the clamp before the rounding (equal, since the bounds are integers) so that the rounding trick
 * stays in range. Math.min and Math.max compile to branch-free code here; comparisons do not.
 */

/** {@link ROUNDER} under this module's own name: CommonJS looks an imported one up at every use. */
const MAGIC: number = ROUNDER;

/** Stored integers, by bit width: up to 8, up to 16. */
export type Integers = Int8Array | Int16Array;

/** x' of each value into `out` at the same indices. */
export function fakeQuantizeGroup(
  values: Float32Array,
  from: number,
  to: number,
  { scale, low, high }: Grid,
  out: Float32Array,
): void {
  if (scale === 0) out.fill(0, from, to);
  else
    for (let i = from; i < to; i++) {
      const k = Math.min(Math.max(Math.fround(values[i] / scale), low), high) + MAGIC - MAGIC;
      out[i] = k * scale;
    }
}

/** k + zero point of each value into `out` at the same indices. */
export function quantizeGroup(
  values: Float32Array,
  from: number,
  to: number,
  { scale, zeroPoint, low, high }: Grid,
  out: Integers,
): void {
  if (scale === 0) out.fill(zeroPoint, from, to);
  else
    for (let i = from; i < to; i++) {
      const k = Math.min(Math.max(Math.fround(values[i] / scale), low), high) + MAGIC - MAGIC;
      out[i] = k + zeroPoint;
    }
}

/** (q − zero point) · scale of each stored integer into `out` at the same indices. */
export function dequantizeGroup(
  integers: Integers,
  from: number,
  to: number,
  scale: number,
  zeroPoint: number,
  out: Float32Array,
): void {
  for (let i = from; i < to; i++) out[i] = (integers[i] - zeroPoint) * scale;
}

/**
 * Sum of (x − x')² over `count` values: those at from, from + stride, … counted modulo the group's
 * length, so that a stride coprime to it visits each value at most once.
 */
export function squaredError(
  values: Float32Array,
  from: number,
  to: number,
  { scale, low, high }: Grid,
  stride = 1,
  count = to - from,
): number {
  let sum = 0;
  for (let n = 0, i = from; n < count; n++) {
    const x = values[i];
    const k =
      scale === 0 ? 0 : Math.min(Math.max(Math.fround(x / scale), low), high) + MAGIC - MAGIC;
    const error = x - Math.fround(k * scale);
    sum += error * error;
    i += stride;
    if (i >= to) i -= to - from;
  }
  return sum;
}

/** 0 for each value that is at least 0 (−0 is), −1 for the others. */
export function signIntegers(values: Float32Array, out: Integers): void {
  for (let i = 0; i < values.length; i++) out[i] = values[i] >= 0 ? 0 : -1;
}

/** +1 for each value or stored integer that is at least 0, −1 for the others; returns `out`. */
export function signValues(values: Float32Array | Integers, out: Float32Array): Float32Array {
  for (let i = 0; i < values.length; i++) out[i] = values[i] >= 0 ? 1 : -1;
  return out;
}
