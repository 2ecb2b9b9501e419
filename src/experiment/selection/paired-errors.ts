import { decisionsOf, type Decisions } from '../../search/decisions.js';
import type { Differences, LossAgainst } from '../../search/differences.js';
import type { SearchOutcome } from '../../search/outcome.js';
import { Assignment } from '../../search/space.js';
import { tiesAmong, type Ties } from '../../search/ties.js';
import type { Candidate, SearchStep } from '../../search/trace.js';
import { metricOf, type Measurement } from '../../tasks/metrics/metrics.js';
import { pairedLoss } from '../../tasks/metrics/paired.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Evaluator } from '../scoring/evaluator.js';

/** Ties, differences and close decisions of a search, as the items of its measurements tell them. */
export interface Certainty {
  readonly ties: Ties;
  readonly differences: Differences;
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
    differences: differencesAmong(trace, recall),
    ...(decisions && { decisions }),
  };
}

/** Digits of an interval's ends that are kept: more than any of its readers shows. */
const DIGITS = 4;

/** Of every two plans measured to the end: which of them are compared is up to who looks at them. */
function differencesAmong(
  trace: readonly SearchStep[],
  recall: (assignment: SearchStep['assignment']) => Measurement | undefined,
): Differences {
  const earlier: { readonly step: number; readonly measurement: Measurement }[] = [];
  const differences = new Map<number, LossAgainst[]>();
  for (const { index, assignment, evaluation } of trace) {
    const measurement = evaluation.kind === 'exact' ? recall(assignment) : undefined;
    if (measurement === undefined) continue;
    differences.set(
      index,
      earlier.flatMap(({ step, measurement: other }) => {
        const range = lossRange(other, measurement);
        return range === undefined ? [] : [{ step, ...range }];
      }),
    );
    earlier.push({ step: index, measurement });
  }
  return differences;
}

function lossRange(
  baseline: Measurement,
  other: Measurement,
): Pick<LossAgainst, 'low' | 'high'> | undefined {
  const paired = pairedLoss(baseline, other);
  const interval = metricOf(baseline.metric).lossInterval(baseline, other, paired);
  const short = (end: number): number => Number(end.toPrecision(DIGITS));
  return interval && { low: short(interval.low), high: short(interval.high) };
}
