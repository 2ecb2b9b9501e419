import { affineGrid, symmetricGrid, type Grid } from './grid.js';
import { squaredError } from './groups.js';

/**
 * Values that the search for a range looks at. A larger group is sampled evenly: choosing the range on
 * 65,536 of 1.5 million values made the error less than 2 % larger (four distributions, 2 to 12 bits),
 * and saves most of the time on big matrices.
 */
const SAMPLE = 65_536;
/** Shares of the min–max range tried first, both ends alike. */
const SHARES = Array.from({ length: 20 }, (_, i) => 1 - i * 0.05);
/** The refinement's first and last step, as a share of the min–max range. */
const FIRST_STEP = 0.025;
const LAST_STEP = 0.005;

/**
 * The grid, over a range that holds 0, with the smallest mean squared error that a search finds.
 *
 * The range is [a · smallest, b · largest] with shares a, b in (0, 1]. The search walks a = b down from 1
 * in steps of 0.05, then, from the best of these, moves a or b alone by ± a step as long as that helps,
 * and halves the step when it does not (pattern search, Hooke and Jeeves 1961). The error as a function of
 * the shares has many small dips, so a search that assumes one minimum would not do. It is deterministic,
 * and never worse than min–max on the whole group.
 *
 * @param symmetric one share for the largest magnitude, instead of two.
 */
export function smallestErrorGrid(
  values: Float32Array,
  from: number,
  to: number,
  smallest: number,
  largest: number,
  symmetric: boolean,
  bits: number,
): Grid {
  const low = Math.min(smallest, 0);
  const high = Math.max(largest, 0);
  const grid = (a: number, b: number): Grid =>
    symmetric ? symmetricGrid(a * Math.max(-low, high), bits) : affineGrid(a * low, b * high, bits);
  const minMax = grid(1, 1);
  if (minMax.scale === 0) return minMax;

  const count = Math.min(to - from, SAMPLE);
  const stride = coprimeStride(to - from, count);
  let best = { a: 1, b: 1, error: Infinity };
  const tryShares = (a: number, b: number): boolean => {
    if (!(a > 0 && a <= 1 && b > 0 && b <= 1)) return false;
    const error = squaredError(values, from, to, grid(a, b), stride, count);
    if (!(error < best.error)) return false;
    best = { a, b, error };
    return true;
  };
  for (const share of SHARES) tryShares(share, share);
  for (let step = FIRST_STEP; step >= LAST_STEP; step /= 2) {
    let moved = true;
    while (moved) {
      const { a, b } = best;
      moved = symmetric
        ? tryShares(a + step, a + step) || tryShares(a - step, a - step)
        : tryShares(a + step, b) ||
          tryShares(a - step, b) ||
          tryShares(a, b + step) ||
          tryShares(a, b - step);
    }
  }
  const found = grid(best.a, best.b);
  if (count === to - from) return found;
  const better = squaredError(values, from, to, found) < squaredError(values, from, to, minMax);
  return better ? found : minMax;
}

/** About length / count, and coprime to the length: sharing a factor with a row's, it would see few columns. */
function coprimeStride(length: number, count: number): number {
  if (count === length) return 1;
  let stride = Math.floor(length / count);
  while (greatestCommonDivisor(stride, length) > 1) stride++;
  return stride;
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
