import { elementCount } from '../../checkpoint/shape.js';
import { QuantError } from '../../util/errors.js';
import { forEachGroup, groupingOf } from '../scheme/granularity.js';
import { UNQUANTIZED_BITS, type Scheme } from '../scheme/scheme.js';
import { quantizationError, type QuantizationError } from './error.js';
import {
  dequantizeGroup,
  fakeQuantizeGroup,
  quantizeGroup,
  signIntegers,
  signValues,
  type Integers,
} from './groups.js';
import { gridOf, notFinite } from './range.js';

/** A tensor as it is stored. */
export interface QuantizedTensor {
  readonly shape: readonly number[];
  readonly scheme: Scheme;
  /** [elements], in [−2^(bits−1), 2^(bits−1) − 1]; int8 up to 8 bits, int16 above. */
  readonly integers: Integers;
  /** [groups]; none for `sign`. */
  readonly scales: Float32Array;
  /** [groups] for `affine`, none otherwise. */
  readonly zeroPoints: Int32Array;
}

/** {@link QuantizedTensor} with what it cost. */
export interface QuantizationResult extends QuantizedTensor {
  /** For `sign`, of what the model reads, H(x): none, always. */
  readonly error: QuantizationError;
}

/**
 * Quantizes a tensor: x' = (q − zeroPoint) · scale with q = clamp(round(x / scale) + zeroPoint), halves to
 * even, in float32. Where x / scale is a tie but for float32's rounding, q may be one off from what float64
 * gives: fewer than two in 1,000 values of a bell at 16 bits, none at 8. `sign` stores 0 for x ≥ 0 and −1
 * below.
 *
 * @param values [product of shape], row-major.
 * @param name of the tensor, for errors.
 * @throws {QuantError} for NaN and infinities, values that do not fill the shape, an empty tensor, or a
 *   scheme of 32 bits, which stores no integers.
 */
export function quantize(
  values: Float32Array,
  shape: readonly number[],
  scheme: Scheme,
  name = 'values',
): QuantizationResult {
  requireShape(values, shape, name);
  if (scheme.bits === UNQUANTIZED_BITS)
    throw new QuantError({
      what: 'nothing to quantize',
      where: `tensor ${name}`,
      got: `${UNQUANTIZED_BITS} bits`,
      expected: '1 to 16 bits',
    });
  const integers = newIntegers(values.length, scheme.bits);
  if (scheme.method === 'sign') {
    requireFinite(values, name);
    signIntegers(values, integers);
    const error = { largest: 0, sqnrDb: Infinity };
    return { shape, scheme, integers, scales: NO_SCALES, zeroPoints: NO_ZERO_POINTS, error };
  }
  const grouping = groupingOf(shape, scheme.granularity);
  const scales = new Float32Array(grouping.count);
  const zeroPoints = scheme.method === 'affine' ? new Int32Array(grouping.count) : NO_ZERO_POINTS;
  forEachGroup(grouping, (from, to, group) => {
    const grid = gridOf(values, from, to, scheme, name);
    scales[group] = grid.scale;
    if (scheme.method === 'affine') zeroPoints[group] = grid.zeroPoint;
    quantizeGroup(values, from, to, grid, integers);
  });
  const stored = { shape, scheme, integers, scales, zeroPoints };
  return { ...stored, error: quantizationError(values, dequantize(stored)) };
}

const NO_SCALES = new Float32Array(0);
const NO_ZERO_POINTS = new Int32Array(0);

/** Room for `count` integers of a bit width. */
export function newIntegers(count: number, bits: number): Integers {
  return bits <= 8 ? new Int8Array(count) : new Int16Array(count);
}

/** The values that stored integers stand for, [elements]; `sign` gives +1 and −1. */
export function dequantize(stored: QuantizedTensor): Float32Array {
  const { shape, scheme, integers, scales, zeroPoints } = stored;
  const values = new Float32Array(integers.length);
  if (scheme.method === 'sign') return signValues(integers, values);
  forEachGroup(groupingOf(shape, scheme.granularity), (from, to, group) => {
    const zeroPoint = scheme.method === 'affine' ? zeroPoints[group] : 0;
    dequantizeGroup(integers, from, to, scales[group], zeroPoint, values);
  });
  return values;
}

/**
 * `dequantize(quantize(values))` bit for bit, without the integers in between, for the simulation of plans.
 * 32 bits give a copy.
 *
 * @throws {QuantError} as {@link quantize}, 32 bits apart.
 */
export function fakeQuantize(
  values: Float32Array,
  shape: readonly number[],
  scheme: Scheme,
  name = 'values',
): Float32Array {
  requireShape(values, shape, name);
  if (scheme.bits === UNQUANTIZED_BITS) return values.slice();
  const simulated = new Float32Array(values.length);
  if (scheme.method === 'sign') {
    requireFinite(values, name);
    return signValues(values, simulated);
  }
  forEachGroup(groupingOf(shape, scheme.granularity), (from, to) => {
    fakeQuantizeGroup(values, from, to, gridOf(values, from, to, scheme, name), simulated);
  });
  return simulated;
}

function requireShape(values: Float32Array, shape: readonly number[], name: string): void {
  const elements = elementCount(shape);
  if (elements === 0 || elements !== values.length)
    throw new QuantError({
      what: elements === 0 ? 'tensor is empty' : 'values do not fill the shape',
      where: `tensor ${name}`,
      got: `${values.length} values for shape [${shape.join(', ')}]`,
      expected: elements === 0 ? 'at least one value' : `${elements} values`,
    });
}

function requireFinite(values: Float32Array, name: string): void {
  // x − x is NaN for NaN and infinities and 0 for everything else.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] - values[i];
  if (sum !== 0) throw notFinite(values, 0, name);
}
