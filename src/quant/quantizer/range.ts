import { QuantError } from '../../util/errors.js';
import type { Scheme } from '../scheme/scheme.js';
import { affineGrid, symmetricGrid, type Grid } from './grid.js';
import { smallestErrorGrid } from './mse.js';
import { percentileInPlace } from './order-statistics.js';

/**
 * The grid of one group, values [from, to), under an affine or symmetric scheme.
 *
 * @param name of the tensor, for the error.
 * @throws {QuantError} when a value is NaN or infinite, or the range is too wide for float32.
 */
export function gridOf(
  values: Float32Array,
  from: number,
  to: number,
  scheme: Scheme,
  name: string,
): Grid {
  const [smallest, largest] = extremes(values, from, to);
  if (!Number.isFinite(smallest) || !Number.isFinite(largest)) throw notFinite(values, from, name);
  const grid = fit(values, from, to, smallest, largest, scheme, name);
  if (Math.fround(grid.scale * Math.max(-grid.low, grid.high)) === Infinity)
    throw new QuantError({
      what: 'range is too wide, a quantized value would be infinite',
      where: `tensor ${name}`,
      got: `scale ${grid.scale}`,
      expected: 'values well below 3.4e38, the largest float32',
    });
  return grid;
}

function fit(
  values: Float32Array,
  from: number,
  to: number,
  smallest: number,
  largest: number,
  { bits, method, range }: Scheme,
  name: string,
): Grid {
  const symmetric = method === 'symmetric';
  switch (range.kind) {
    case 'min-max': {
      if (symmetric) return symmetricGrid(Math.max(-smallest, largest), bits);
      // Values all equal leave the unwidened range empty, and the paper's scale 0; widened, they are a level.
      const widen = range.widenToZero || smallest === largest;
      return widen
        ? affineGrid(Math.min(smallest, 0), Math.max(largest, 0), bits)
        : affineGrid(smallest, largest, bits);
    }
    case 'percentile': {
      const group = values.slice(from, to);
      if (symmetric) {
        for (let i = 0; i < group.length; i++) group[i] = Math.abs(group[i]);
        return symmetricGrid(percentileInPlace(group, range.percentile), bits);
      }
      const low = percentileInPlace(group, 100 - range.percentile);
      const high = percentileInPlace(group, range.percentile);
      return affineGrid(Math.min(low, 0), Math.max(high, 0), bits);
    }
    case 'mse':
      return smallestErrorGrid(values, from, to, smallest, largest, symmetric, bits);
    case 'gptq':
    case 'spike-preserving':
      throw withoutSample(range, name);
  }
}

/** The refusal of a calibrated scheme where there are no integers of it. @param name of the tensor */
export function withoutSample({ kind }: Scheme['range'], name: string): QuantError {
  return new QuantError({
    what: 'the integers are not a function of the values alone',
    where: `tensor ${name}`,
    got: `range ${kind}, which is calibrated`,
    expected: 'a model that was opened with a calibration sample',
  });
}

/** Smallest and largest value; NaN when any value is. */
function extremes(values: Float32Array, from: number, to: number): [number, number] {
  let smallest = values[from];
  let largest = smallest;
  for (let i = from; i < to; i++) {
    smallest = Math.min(smallest, values[i]);
    largest = Math.max(largest, values[i]);
  }
  return [smallest, largest];
}

/** The error for the first value at or after `from` that is NaN or infinite. */
export function notFinite(values: Float32Array, from: number, name: string): QuantError {
  let index = from;
  while (Number.isFinite(values[index])) index++;
  return new QuantError({
    what: 'value is not finite',
    where: `tensor ${name}, element ${index}`,
    got: String(values[index]),
    expected: 'a finite number',
  });
}
