import { decisionsOf, type Decisions } from '../../search/decisions.js';
import type { SearchOutcome } from '../../search/outcome.js';
import { Assignment } from '../../search/space.js';
import { tiesAmong, type Ties } from '../../search/ties.js';
import type { Candidate } from '../../search/trace.js';
import type { Measurement } from '../../tasks/metrics/metrics.js';
import { pairedLoss } from '../../tasks/metrics/paired.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Evaluator } from '../scoring/evaluator.js';

/** Ties among a search's candidates and close decisions, as the items of its measurements tell them. */
export interface Certainty {
  readonly ties: Ties;
  /** Absent where no loss is limited. */
  readonly decisions?: Decisions;
}

/** Compares the plans of a search pair by pair, from measurements that were made for it. */
export function certaintyOf(
  { candidates, trace, limits }: SearchOutcome,
  space: ModelSpace,
  evaluator: Pick<Evaluator, 'recall'>,
): Certainty {
  const recall = (assignment: Assignment): Measurement | undefined =>
    evaluator.recall(space.resolve(assignment));
  const errorOf = (
    one: Measurement | undefined,
    other: Measurement | undefined,
  ): number | undefined => one && other && pairedLoss(one, other).standardError;
  const baseline = recall(Assignment.unquantized);
  const known = new Map(candidates.map((each) => [each, recall(each.assignment)]));
  const decisions = decisionsOf(trace, limits.quality, ({ assignment }) =>
    errorOf(baseline, recall(assignment)),
  );
  return {
    ties: tiesAmong(candidates, limits.quality, (one: Candidate, other) =>
      errorOf(known.get(one), known.get(other)),
    ),
    ...(decisions && { decisions }),
  };
}
