import { sampleVariance } from './simple-statistics.js';

/** A confidence interval of a metric, in the metric's unit. */
export interface Interval {
  readonly low: number;
  readonly high: number;
  /** 0.95 */
  readonly level: number;
}

/** The 0.975 quantile of the standard normal distribution: two-sided 95 %. */
export const Z_95 = 1.959963984540054;

/**
 * Wilson's 95 % score interval of a proportion (Wilson, 1927): the p with |p̂ − p| ≤ z·√(p(1−p)/n).
 * Unlike p̂ ± z·SE it stays within [0, 1] and keeps its coverage near 0 and 1.
 *
 * @param trials at least 1.
 */
export function wilsonInterval(successes: number, trials: number): Interval {
  const z2 = Z_95 * Z_95;
  const centre = (successes + z2 / 2) / (trials + z2);
  const half =
    (Z_95 / (trials + z2)) * Math.sqrt((successes * (trials - successes)) / trials + z2 / 4);
  // At 0 and n successes the bound is exactly 0 or 1; rounding must not push it outside.
  return {
    low: successes === 0 ? 0 : centre - half,
    high: successes === trials ? 1 : centre + half,
    level: 0.95,
  };
}

/** A ratio of two sums, and its standard error. */
export interface RatioEstimate {
  readonly ratio: number;
  /** Undefined for a single unit, which says nothing about how units vary. */
  readonly standardError: number | undefined;
}

/**
 * R = Σ yᵢ / Σ xᵢ over n units sampled together, with the linearised standard error
 * √(n/(n−1) · Σ(yᵢ − R·xᵢ)²) / Σ xᵢ (Cochran, Sampling Techniques, 1977, chapter 6, without the
 * finite population correction). Here a unit is a window: its tokens are correlated, windows hardly are.
 *
 * @param totals y, [n].
 * @param sizes x > 0, [n].
 */
export function ratioEstimate(totals: readonly number[], sizes: readonly number[]): RatioEstimate {
  const size = plainSum(sizes);
  const ratio = plainSum(totals) / size;
  if (totals.length < 2) return { ratio, standardError: undefined };
  // The residuals add up to zero, so n·(sample variance) is n/(n−1)·Σ residual².
  const residuals = totals.map((total, unit) => total - ratio * sizes[unit]);
  const standardError = Math.sqrt(residuals.length * sampleVariance(residuals)) / size;
  return { ratio, standardError };
}

/**
 * 95 % interval of a perplexity: normal on the mean negative log-likelihood with window-level variance
 * ({@link ratioEstimate}), then exp of both ends. Few windows (below about 30) make it too narrow.
 *
 * @param nll summed negative log-likelihood of each window in nats, [n], n ≥ 2.
 * @param tokens tokens predicted in each window, [n].
 */
export function perplexityInterval(nll: readonly number[], tokens: readonly number[]): Interval {
  const { ratio, standardError } = ratioEstimate(nll, tokens);
  if (standardError === undefined) throw new RangeError('one window has no variance');
  return {
    low: perplexityOf(ratio - Z_95 * standardError),
    high: perplexityOf(ratio + Z_95 * standardError),
    level: 0.95,
  };
}

/**
 * exp of a mean negative log-likelihood in nats. Stops at the largest double (from 709.8 nats): a
 * model broken by quantization has a hopeless perplexity, but still a number that JSON can hold.
 */
export function perplexityOf(meanNll: number): number {
  return Math.min(Math.exp(meanNll), Number.MAX_VALUE);
}

/** Float64, in order: the same numbers always give the same sum. */
export function plainSum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
