/** The values that items can have. */
export interface ItemRange {
  /**
   * No item is further from 0; absent where there is no such bound. An item is then taken to be from the mean it is
   * held against at most twice as far as any before it.
   */
  readonly bound?: number | undefined;
}

/** Items drawn without replacement, in the order they were drawn, from so many. */
export interface Draw extends ItemRange {
  readonly values: readonly number[];
  /** Of the population, at least as many as were drawn. */
  readonly size: number;
}

/** Shares of the largest bet that are laid at once; the capital is spread over them evenly. */
const SHARES = [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16] as const;

/** Items that only tell the scale of the rest, where no bound is known: nothing is bet on them. */
const UNBET = 8;

/** Room that is left to a bound that was only seen. */
const ROOM = 2;

/**
 * Natural logarithm of the largest capital that bets on "the mean of the population is below `mean`" came to;
 * at least 0. Whoever bets, starts with 1, and if the mean is `mean` or larger the capital ever reaches 1/α with
 * probability α at most, whenever one looks (Ville, 1939): the bets are fair given what was drawn before.
 *
 *     capital = Σ over shares θ of Π over items x: (1 + λ·(rest − x)) / number of shares,
 *     λ = θ / (bound − rest),   rest = (size·mean − sum of items before) / (size − items before)
 *
 * `rest` is the mean of what was not drawn yet, so that a finite population counts as one. Betting, its form for
 * draws without replacement and its optimality among such bounds: Waudby-Smith and Ramdas, Estimating means of
 * bounded random variables by betting, Journal of the Royal Statistical Society B 86 (2024), sections 4 and 5.
 *
 * Assumed is nothing where the bound is known. Where it is not: that items more than twice as far from `mean` as any
 * before them add nothing to speak of to the mean of all. Such an item costs all of the capital of the bets that it exceeds.
 */
export function logCapitalBelow({ values, size, bound }: Draw, mean: number): number {
  const capitals = SHARES.map(() => 1 / SHARES.length);
  let [sum, seen, most] = [0, 0, 1];
  values.forEach((value, drawn) => {
    const rest = (size * mean - sum) / (size - drawn);
    const reach = (bound ?? mean + ROOM * seen) - rest;
    // Whatever is left would have to be above the bound: the mean cannot be so large.
    if (reach <= 0 && bound !== undefined) most = Infinity;
    else if (reach > 0 && (bound !== undefined || drawn >= UNBET)) {
      let total = 0;
      SHARES.forEach((share, index) => {
        capitals[index] *= Math.max(0, 1 + (share / reach) * (rest - value));
        total += capitals[index];
      });
      most = Math.max(most, total);
    }
    sum += value;
    seen = Math.max(seen, Math.abs(value - mean));
  });
  return Math.log(most);
}

/** The same for "the mean is above `mean`". */
export function logCapitalAbove({ values, ...draw }: Draw, mean: number): number {
  return logCapitalBelow({ ...draw, values: values.map((value) => -value) }, -mean);
}

/** A side of a mean that a draw tells it to be on. */
export type Side = 'below' | 'above';

/**
 * The side of `mean` that the population's mean is on; undefined where the draw does not tell. Over all looks at
 * a growing draw, the wrong side is told with probability `level` at most.
 */
export function sideOf(draw: Draw, mean: number, level: number): Side | undefined {
  const needed = -Math.log(level);
  if (logCapitalBelow(draw, mean) >= needed) return 'below';
  if (logCapitalAbove(draw, mean) >= needed) return 'above';
  return undefined;
}

/** Halvings of an end of an interval: to a millionth of the draw's range. */
const HALVINGS = 24;

/** Ends of the means that a draw does not tell to be wrong, at `level` a side. */
export function meanInterval(draw: Draw, level: number): { low: number; high: number } {
  const { values, bound } = draw;
  const centre = values.reduce((sum, value) => sum + value, 0) / values.length;
  const reach = bound ?? 4 * Math.max(...values.map((value) => Math.abs(value - centre)));
  const end = (side: 1 | -1): number => {
    const capital = side === 1 ? logCapitalBelow : logCapitalAbove;
    const refused = (mean: number): boolean => capital(draw, mean) >= -Math.log(level);
    let [inside, outside] = [centre, centre + side * 2 * reach];
    if (!refused(outside)) return outside;
    for (let step = 0; step < HALVINGS; step++) {
      const middle = (inside + outside) / 2;
      if (refused(middle)) outside = middle;
      else inside = middle;
    }
    return outside;
  };
  return { low: end(-1), high: end(1) };
}

/**
 * Standard error of the mean of a draw without replacement: √((1 − n/N)·s²/n) (Cochran, Sampling Techniques,
 * 3rd edition, 1977, section 2.6).
 */
export function drawError({ values, size }: Draw): number {
  const items = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / items;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(((1 - items / size) * squares) / (items * Math.max(1, items - 1)));
}
