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
  /** Plans that this search asked about; those measured further for the front count once. */
  readonly evaluations: number;
  /** The plan that comes closest, where there is no candidate. */
  readonly nearest?: NearestPlan;
}

/**
 * Closes a search: what could be on the Pareto front is measured to the end, and where there is no candidate
 * the nearest plan is looked for.
 */
export async function concludeSearch(
  tracer: Tracer,
  evaluate: Evaluate,
  baseline: ExactEvaluation,
  signal: AbortSignal | undefined,
): Promise<SearchOutcome> {
  const { space, limits, candidates } = tracer;
  const steps = await finishFront(tracer.steps, (plan) =>
    evaluateExactly(evaluate, plan, { signal }),
  );
  const fp32Bytes = space.bytes(Assignment.unquantized);
  const outcome = { baseline, fp32Bytes, limits, trace: steps, candidates };
  if (candidates.length > 0) return { ...outcome, evaluations: steps.length };
  const { unquantized } = Assignment;
  const tried = [{ assignment: unquantized, bytes: fp32Bytes, evaluation: baseline }, ...steps];
  const found = new Map<string, ExactEvaluation>();
  const nearest = await nearestPlan(tried, limits, fp32Bytes, async (plan) => {
    const measured = await evaluateExactly(evaluate, plan, { signal });
    found.set(plan.key, measured);
    return measured;
  });
  const trace = steps.map((step) => {
    const evaluation = found.get(step.assignment.key);
    return evaluation === undefined ? step : { ...step, evaluation };
  });
  return { ...outcome, trace, evaluations: steps.length + found.size, nearest };
}

/**
 * The steps with the metric of each that could be on the front. A refused plan is worse than any accepted one,
 * so that it is beaten unless it is smaller than all of them; which plans these are depends on the limits
 * alone, not on how soon a verdict was certain.
 */
async function finishFront(
  steps: readonly SearchStep[],
  measure: (assignment: Assignment) => Promise<ExactEvaluation>,
): Promise<SearchStep[]> {
  const smallest = Math.min(...steps.filter(({ accepted }) => accepted).map(({ bytes }) => bytes));
  const finished: SearchStep[] = [];
  for (const step of steps) {
    const open = step.evaluation.kind === 'verdict' && (step.accepted || step.bytes < smallest);
    finished.push(open ? { ...step, evaluation: await measure(step.assignment) } : step);
  }
  return finished;
}

/** @throws {UnmetConstraintsError} when a search found no candidate. */
export function requireCandidates(outcome: SearchOutcome): readonly Candidate[] {
  if (outcome.nearest !== undefined) throw new UnmetConstraintsError(outcome.nearest);
  return outcome.candidates;
}
