import { metricOf } from '../tasks/metrics/metrics.js';
import { select, type ScoreContext, type Scored } from './score.js';

/**
 * The plan taken where data cannot tell plans apart. `none`: the one that scores best, as in the paper.
 * `one-se`: the smallest of those whose metric is worse than that one's by at most one standard error of the
 * paired difference (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3, where it is a
 * rule about the size of a tree).
 */
export const TIE_RULES = ['none', 'one-se'] as const;
/** A rule for equally good plans by its name. */
export type TieRule = (typeof TIE_RULES)[number];

/** A candidate as ties know it. */
export interface Numbered extends Scored {
  /** Place in the trace. */
  readonly step: number;
}

/**
 * For the step of each candidate, the steps of the smaller candidates whose metric is not worse by more than
 * one standard error of the paired difference.
 */
export type Ties = ReadonlyMap<number, readonly number[]>;

/** Standard error of the difference of two plans' metrics; undefined where it is not known. */
export type PairedError<T> = (one: T, other: T) => number | undefined;

/** Ties among candidates; none where a standard error is not known. */
export function tiesAmong<T extends Numbered>(
  candidates: readonly T[],
  { metric }: Pick<ScoreContext, 'metric'>,
  errorOf: PairedError<T>,
): Ties {
  const { lossOf } = metricOf(metric);
  const isTie = (one: T, other: T): boolean => {
    if (other.bytes >= one.bytes) return false;
    const error = errorOf(one, other);
    return error !== undefined && lossOf(one.metric, other.metric) <= error;
  };
  return new Map(
    candidates.map((one) => [
      one.step,
      candidates.filter((other) => isTie(one, other)).map(({ step }) => step),
    ]),
  );
}

/**
 * {@link select} with the rule of one standard error: of the best and its ties the smallest, of equal ones
 * the better, then the first.
 *
 * @param ties without them, the best.
 * @throws {SearchError} as `select`.
 */
export function selectWithin<T extends Numbered>(
  candidates: readonly T[],
  lambda: number,
  context: ScoreContext,
  ties: Ties | undefined,
): T | undefined {
  const best = select(candidates, lambda, context);
  if (best === undefined || ties === undefined) return best;
  const { goodness } = metricOf(context.metric);
  const tied = new Set(ties.get(best.step));
  return [best, ...candidates.filter(({ step }) => tied.has(step))].reduce((smallest, other) => {
    if (other.bytes !== smallest.bytes) return other.bytes < smallest.bytes ? other : smallest;
    return goodness(other.metric) > goodness(smallest.metric) ? other : smallest;
  });
}

/** True where the data cannot tell two candidates apart: the smaller is a tie of the other. */
export function areTied(one: Numbered, other: Numbered, ties: Ties): boolean {
  const within = (from: Numbered, to: Numbered): boolean =>
    ties.get(from.step)?.includes(to.step) === true;
  return one.step === other.step || within(one, other) || within(other, one);
}
