/**
 * Bell-shaped values in (−0.25, 0.25) from integer arithmetic alone, so that any language makes the same
 * ones: sums of four 22-bit numbers of a linear congruential generator (Numerical Recipes' constants).
 */
export function bell(count: number, seed: number): Float32Array {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 10;
  };
  return Float32Array.from(
    { length: count },
    () => (next() + next() + next() + next() - 2 ** 23) / 2 ** 25,
  );
}
