/** The place at which a chain of steps, each harder than the one before, stops passing. */
export interface Boundary {
  /** The first step that fails; the number of steps where all pass. */
  readonly firstFailure: number;
  /** False where a step was seen to fail above one that passes. */
  readonly monotone: boolean;
}

/**
 * The step to ask next: one strictly between `passed` (−1 where none is known to pass) and `failed`
 * (the number of steps where none is known to fail).
 */
export type Probe = (passed: number, failed: number, steps: number) => number;

/** Every step in order: what the paper's search does. */
export const inOrder: Probe = (passed) => passed + 1;

/** The middle: any place of the boundary is equally likely. */
export const middle: Probe = (passed, failed) => Math.floor((passed + failed) / 2);

/**
 * Exponential search (Bentley and Yao 1976): ahead in doubling strides up to the first failure, then the
 * middle. Costs one question where the first step fails, and the logarithm of a long run of passes.
 */
export const doubling: Probe = (passed, failed, steps) =>
  failed === steps ? Math.min(steps - 1, 2 * passed + 2) : middle(passed, failed, steps);

/** First the step that is expected to be the last that passes, then away from it in doubling strides. */
export function around(guess: number): Probe {
  return (passed, failed, steps) => {
    const start = Math.min(Math.max(guess, 0), steps - 1);
    if (passed === -1 && failed === steps) return start;
    if (failed === steps) return Math.min(steps - 1, passed + 2 * (passed - start) + 1);
    if (passed === -1) return Math.max(0, failed - 2 * (start - failed) - 1);
    return middle(passed, failed, steps);
  };
}

/** The answer about a step. */
export interface Verdict {
  readonly passes: boolean;
  /** Loss that may still be added before it fails; only of use where it passes. */
  readonly margin: number;
}

export interface BoundaryOptions {
  readonly probe: Probe;
  /** Steps right above the last safe one that are asked in any case. */
  readonly neighbours: number;
  /** Loss by which a step may exceed a step below it, in the unit of {@link Verdict.margin}. */
  readonly slack: number;
  /** The margin above the first step. */
  readonly startMargin: number;
}

/**
 * Finds the first failure of a chain with few questions. A step is safe that passes by at least `slack`.
 *
 *     probe   for the last safe step                          (not at all, where the start is not safe)
 *     check   the neighbours above it; where one fails, walk from the top
 *     walk    in order from there on to the first failure     (with no slack, it is known already)
 *
 * Guaranteed: the answer is the one that asking every step in order gives, wherever no step loses more
 * than any step below it by over `slack` (with `slack` 0: wherever the loss only grows down the chain).
 * Otherwise a failure above the last safe step that is no neighbour and was not probed goes unnoticed.
 * Passes below the first failure are not looked for: they cannot change what a walk in
 * order finds. No step is asked twice.
 */
export async function findBoundary(
  steps: number,
  verdictOf: (step: number) => Promise<Verdict>,
  { probe, neighbours, slack, startMargin }: BoundaryOptions,
): Promise<Boundary> {
  const verdicts = new Map<number, Verdict>();
  const ask = async (step: number): Promise<Verdict> => {
    const known = verdicts.get(step);
    if (known !== undefined) return known;
    const verdict = await verdictOf(step);
    verdicts.set(step, verdict);
    return verdict;
  };

  let safe = -1;
  let unsafe = startMargin >= slack ? steps : 0;
  while (unsafe - safe > 1) {
    const step = probe(safe, unsafe, steps);
    const { passes, margin } = await ask(step);
    if (passes && margin >= slack) safe = step;
    else unsafe = step;
  }
  let firstFailure = safe + 1;
  for (let step = safe - 1; step >= Math.max(0, safe - neighbours); step--)
    if (!(await ask(step)).passes) firstFailure = 0;
  while (firstFailure < steps && (await ask(firstFailure)).passes) firstFailure++;

  const passesBelow = [...verdicts].some(([step, { passes }]) => passes && step > firstFailure);
  return { firstFailure, monotone: !passesBelow };
}
