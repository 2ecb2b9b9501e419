import { plainSum, ratioEstimate, type Interval } from '../../tasks/metrics/intervals.js';
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

/** Share of runs in which an interval holds the truth. */
const LEVEL = 0.95;

/** Halvings of [0, π/2] that leave nothing a double could tell. */
const HALVINGS = 55;

/**
 * The t that |T| of Student's distribution exceeds in a share of 0.05 / comparisons: for one comparison the
 * 0.975 quantile. With it all of so many intervals hold at once in at least 95 % of runs (Bonferroni).
 *
 * @param degrees of freedom, an integer of at least 1.
 * @param comparisons at least 1.
 */
export function tQuantile(degrees: number, comparisons = 1): number {
  const inside = 1 - (1 - LEVEL) / comparisons;
  let [low, high] = [0, Math.PI / 2];
  for (let step = 0; step < HALVINGS; step++) {
    const middle = (low + high) / 2;
    if (shareWithin(middle, degrees) < inside) low = middle;
    else high = middle;
  }
  return Math.sqrt(degrees) * Math.tan(low);
}

/** P(|T| ≤ √ν · tan θ) of Student's distribution, a finite sum (Abramowitz and Stegun 26.7.3 and 26.7.4). */
function shareWithin(theta: number, degrees: number): number {
  const [sine, cosine] = [Math.sin(theta), Math.cos(theta)];
  const odd = degrees % 2 === 1;
  let [term, sum] = [odd ? cosine : 1, 0];
  for (let power = odd ? 1 : 0; power <= degrees - 2; power += 2) {
    sum += term;
    term *= (cosine ** 2 * (power + 1)) / (power + 2);
  }
  return odd ? (2 / Math.PI) * (theta + sine * sum) : sine * sum;
}

/**
 * Mean and Student's 95 % interval of independent repeats; undefined of fewer than two.
 *
 * @param comparisons means that are held against something: the intervals of all hold at once in 95 % of runs.
 */
export function meanEstimate(values: readonly number[], comparisons = 1): Estimate | undefined {
  if (values.length < 2) return undefined;
  const value = mean(values);
  const error = Math.sqrt(sampleVariance([...values]) / values.length);
  const half = tQuantile(values.length - 1, comparisons) * error;
  return { value, low: value - half, high: value + half, repeats: values.length };
}

/**
 * The change from one series to another, paired repeat by repeat: Σ other / Σ base − 1. What both have in
 * common in a repeat (a warm room, a lower clock) is in neither the change nor its interval.
 *
 * @param comparisons plans that are compared with the base: the intervals of all of them hold at once in
 *   95 % of runs, so that a run is no likelier to find a difference that is not there for having more plans.
 * @returns undefined of fewer than two pairs, or where the base is not above 0.
 */
export function changeEstimate(
  other: readonly number[],
  base: readonly number[],
  comparisons = 1,
): Estimate | undefined {
  if (other.length < 2 || !(mean(base) > 0)) return undefined;
  const { ratio, standardError } = ratioEstimate(other, base);
  const half = tQuantile(other.length - 1, comparisons) * standardError!;
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
