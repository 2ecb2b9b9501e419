import { Z_95 } from './intervals.js';

/** The 0.95 quantile of the standard normal distribution: one-sided 95 %. */
export const Z_ONE_SIDED_95 = 1.6448536269514722;

/** Bisections of an interval: more than double precision can tell apart. */
const HALVINGS = 60;

/**
 * The largest loss that pairs of right and wrong answers are compatible with: upper end of the one-sided 95 %
 * score interval of the difference of two paired proportions (Tango, Statistics in Medicine 17, 1998, 891).
 * It is the Δ at which (b − c − nΔ) / √(n·(2q + Δ(1 − Δ))) is −1.645, where q is the likeliest probability
 * of "only the second is right" given Δ. Unlike difference + 1.645 standard errors it is no certainty where
 * no pair differs.
 *
 * @param onlyFirst b: items that only the first (the baseline) has right.
 * @param onlySecond c: items that only the second has right.
 * @param items n, all items; at least 1.
 */
export function pairedLossBound(onlyFirst: number, onlySecond: number, items: number): number {
  return scoreBound(onlyFirst, onlySecond, items, Z_ONE_SIDED_95);
}

/** Both ends of the two-sided 95 % interval that {@link pairedLossBound} is the one-sided bound of. */
export function pairedLossRange(
  onlyFirst: number,
  onlySecond: number,
  items: number,
): { readonly low: number; readonly high: number } {
  const low = -scoreBound(onlySecond, onlyFirst, items, Z_95);
  return { low, high: scoreBound(onlyFirst, onlySecond, items, Z_95) };
}

function scoreBound(onlyFirst: number, onlySecond: number, items: number, z: number): number {
  const [b, c, n] = [onlyFirst, onlySecond, items];
  const statistic = (loss: number): number => {
    const [A, B] = [2 * n, (2 * n - b + c) * loss - b - c];
    const C = -c * loss * (1 - loss);
    const q = (Math.sqrt(Math.max(0, B * B - 4 * A * C)) - B) / (2 * A);
    return (b - c - n * loss) / Math.sqrt(n * (2 * q + loss * (1 - loss)));
  };
  // At the observed difference the statistic is 0, and it falls from there on.
  let [low, high] = [(b - c) / n, 1];
  for (let step = 0; step < HALVINGS; step++) {
    const middle = (low + high) / 2;
    if (statistic(middle) > -z) low = middle;
    else high = middle;
  }
  return high;
}

/** Fewest units whose spread says something: below, the quantile is off and so is the normal distribution. */
const FEWEST_UNITS = 5;

/**
 * The upper end of a one-sided 95 % interval of an estimate whose standard error comes from so many units.
 *
 * @returns undefined for fewer than five units.
 */
export function meanLossBound(
  loss: number,
  standardError: number,
  units: number,
): number | undefined {
  if (units < FEWEST_UNITS) return undefined;
  return loss + studentQuantile(units - 1) * standardError;
}

/**
 * The 0.95 quantile of Student's distribution, by its expansion in 1/ν (Abramowitz and Stegun 26.7.5): good
 * to 2e-3 from 4 degrees of freedom on, and to 1e-5 from 12 on.
 */
function studentQuantile(freedom: number): number {
  const [z, v] = [Z_ONE_SIDED_95, freedom];
  const terms = [
    z,
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
    (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92160,
  ];
  return terms.reduce((sum, term, power) => sum + term / v ** power, 0);
}
