import { plainSum, ratioEstimate, Z_95, type Interval } from '../../tasks/metrics/intervals.js';
import { sampleVariance } from '../../tasks/metrics/simple-statistics.js';

/** A mean with its 95 % interval, in the unit of what was averaged. */
export interface Estimate extends Pick<Interval, 'low' | 'high'> {
  readonly value: number;
  /** Repeats that it is the mean of, at least 2. */
  readonly repeats: number;
}

/** The arithmetic mean; NaN of none. */
export function mean(values: readonly number[]): number {
  return plainSum(values) / values.length;
}

/** The 0.975 quantiles of Student's t for 1 to 30 degrees of freedom. */
const T_975 = [
  12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788,
  2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.093, 2.086, 2.0796, 2.0739, 2.0687, 2.0639,
  2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
];

/** The 0.975 quantile of Student's t; beyond 30 degrees by its expansion around the normal's. */
export function tQuantile(degrees: number): number {
  if (degrees <= T_975.length) return T_975[degrees - 1];
  const z = Z_95;
  return (
    z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2)
  );
}

/** Mean and Student's 95 % interval of independent repeats; undefined of fewer than two. */
export function meanEstimate(values: readonly number[]): Estimate | undefined {
  if (values.length < 2) return undefined;
  const value = mean(values);
  const error = Math.sqrt(sampleVariance([...values]) / values.length);
  const half = tQuantile(values.length - 1) * error;
  return { value, low: value - half, high: value + half, repeats: values.length };
}

/**
 * The change from one series to another, paired repeat by repeat: Σ other / Σ base − 1. What both have in
 * common in a repeat (a warm room, a lower clock) is in neither the change nor its interval.
 *
 * @returns undefined of fewer than two pairs, or where the base is not above 0.
 */
export function changeEstimate(
  other: readonly number[],
  base: readonly number[],
): Estimate | undefined {
  if (other.length < 2 || !(mean(base) > 0)) return undefined;
  const { ratio, standardError } = ratioEstimate(other, base);
  const half = tQuantile(other.length - 1) * standardError!;
  const value = ratio - 1;
  return { value, low: value - half, high: value + half, repeats: other.length };
}

/** The statement that an interval of a change allows. */
export type ChangeVerdict = 'lower' | 'higher' | 'no difference' | 'not measured';

/** "no difference" wherever the interval has 0 in it: none was shown, not that there is none. */
export function verdictOf(change: Estimate | undefined): ChangeVerdict {
  if (change === undefined) return 'not measured';
  if (change.high < 0) return 'lower';
  return change.low > 0 ? 'higher' : 'no difference';
}

/** A drift must be as certain as this and as large as that to be told of. */
const DRIFT_ERRORS = 3;
const DRIFT_SHARE = 0.01;

/**
 * The drift of a series over its length as a share of its mean, by a straight line; undefined where it is
 * within three of its standard errors or below 1 %.
 */
export function driftOf(values: readonly number[]): number | undefined {
  const n = values.length;
  if (n < 4) return undefined;
  const middle = (n - 1) / 2;
  const centre = mean(values);
  let [products, squares] = [0, 0];
  for (const [index, value] of values.entries()) {
    products += (index - middle) * (value - centre);
    squares += (index - middle) ** 2;
  }
  const slope = products / squares;
  let residuals = 0;
  for (const [index, value] of values.entries())
    residuals += (value - centre - slope * (index - middle)) ** 2;
  const error = Math.sqrt(residuals / (n - 2) / squares);
  const share = (slope * (n - 1)) / centre;
  return Math.abs(slope) > DRIFT_ERRORS * error && Math.abs(share) >= DRIFT_SHARE
    ? share
    : undefined;
}
