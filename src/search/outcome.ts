import type { Limits } from './constraints.js';
import { evaluateExactly, type Evaluate, type ExactEvaluation } from './evaluation.js';
import { nearestPlan, UnmetConstraintsError, type NearestPlan } from './nearest.js';
import { Assignment } from './space.js';
import type { Candidate, SearchStep, Tracer } from './trace.js';

/** The result of any search. */
export interface SearchOutcome {
  /** The unquantized model. */
  readonly baseline: ExactEvaluation;
  readonly fp32Bytes: number;
  readonly limits: Limits;
  /** Every plan tried, in order; the baseline is not among them. */
  readonly trace: readonly SearchStep[];
  /** The steps that keep both limits, in order; for any λ one of them is selected. */
  readonly candidates: readonly Candidate[];
  /** Calls of `evaluate` that this search made. */
  readonly evaluations: number;
  /** The plan that comes closest, where there is no candidate. */
  readonly nearest?: NearestPlan;
}

/** Closes a search: where it found no candidate, the nearest plan is looked for. */
export async function concludeSearch(
  tracer: Tracer,
  evaluate: Evaluate,
  baseline: ExactEvaluation,
  signal: AbortSignal | undefined,
): Promise<SearchOutcome> {
  const { space, limits, steps, candidates } = tracer;
  const fp32Bytes = space.bytes(Assignment.unquantized);
  const outcome = { baseline, fp32Bytes, limits, trace: steps, candidates };
  if (candidates.length > 0) return { ...outcome, evaluations: steps.length };
  const { unquantized } = Assignment;
  const tried = [{ assignment: unquantized, bytes: fp32Bytes, evaluation: baseline }, ...steps];
  let measured = 0;
  const nearest = await nearestPlan(tried, limits, fp32Bytes, (plan) => {
    measured++;
    return evaluateExactly(evaluate, plan, { signal });
  });
  return { ...outcome, evaluations: steps.length + measured, nearest };
}

/** @throws {UnmetConstraintsError} when a search found no candidate. */
export function requireCandidates(outcome: SearchOutcome): readonly Candidate[] {
  if (outcome.nearest !== undefined) throw new UnmetConstraintsError(outcome.nearest);
  return outcome.candidates;
}
