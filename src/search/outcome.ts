import type { Limits } from './constraints.js';
import {
  evaluateExactly,
  passes,
  type Evaluate,
  type ExactEvaluation,
  type VerdictEvaluation,
} from './evaluation.js';
import { frontOfEstimates, type Estimated } from './ladder/rungs.js';
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
  const measure = (plan: Assignment): Promise<ExactEvaluation> =>
    evaluateExactly(evaluate, plan, { signal });
  const sampled = tracer.options.sampled === true;
  const steps = await (sampled
    ? finishSampled(tracer, measure)
    : finishFront(tracer.steps, measure));
  const fp32Bytes = space.bytes(Assignment.unquantized);
  const outcome = { baseline, fp32Bytes, limits, trace: steps, candidates };
  if (candidates.length > 0) return { ...outcome, evaluations: measuredSteps(steps) };
  const { unquantized } = Assignment;
  const measurable = steps.filter(({ gate }) => gate === undefined);
  const tried = [
    { assignment: unquantized, bytes: fp32Bytes, evaluation: baseline },
    ...measurable,
  ];
  const found = new Map<string, ExactEvaluation>();
  const nearest = await nearestPlan(tried, limits, fp32Bytes, async (plan) => {
    const measured = await measure(plan);
    found.set(plan.key, measured);
    return measured;
  });
  const trace = steps.map((step) => {
    const evaluation = found.get(step.assignment.key);
    return evaluation === undefined ? step : { ...step, evaluation };
  });
  return { ...outcome, trace, evaluations: measuredSteps(steps) + found.size, nearest };
}

/** Steps that were measured: those that no gate refused. */
function measuredSteps(steps: readonly SearchStep[]): number {
  return steps.filter(({ gate }) => gate === undefined).length;
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
    const open =
      step.evaluation.kind === 'verdict' &&
      step.gate === undefined &&
      (step.accepted || step.bytes < smallest);
    finished.push(open ? { ...step, evaluation: await measure(step.assignment) } : step);
  }
  return finished;
}

/**
 * The steps of a search that decided from samples, those that may be on the front measured on all items. They
 * become the candidates, where all items agree; where they do not, the next one is looked at.
 */
async function finishSampled(
  tracer: Tracer,
  measure: (assignment: Assignment) => Promise<ExactEvaluation>,
): Promise<SearchStep[]> {
  const { quality, maxBytes } = tracer.limits;
  const measured = new Map<number, ExactEvaluation>();
  for (const { index, evaluation } of tracer.steps)
    if (evaluation.kind === 'exact') measured.set(index, evaluation);
  const estimated = ({
    index,
    bytes,
    rung,
    evaluation,
  }: SearchStep): Estimated & { step: number } => {
    const known = measured.get(index);
    const estimate = rung?.estimate ?? (evaluation as VerdictEvaluation).bound;
    const error = known === undefined ? (rung?.error ?? 0) : 0;
    return { step: index, bytes, metric: known?.metric ?? estimate, error };
  };
  for (;;) {
    const possible = tracer.steps.filter(({ index, accepted, bytes }) => {
      const known = measured.get(index);
      return accepted && bytes <= maxBytes && (known === undefined || passes(known, quality));
    });
    const front = frontOfEstimates(possible.map(estimated), quality.metric);
    const open = front.find(({ step }) => !measured.has(step));
    if (open === undefined) break;
    measured.set(open.step, await measure(tracer.steps[open.step].assignment));
  }
  tracer.candidates.splice(0);
  return tracer.steps.map((step): SearchStep => {
    const { accepted, bytes } = step;
    const evaluation = measured.get(step.index);
    if (!accepted || bytes > maxBytes) return step;
    if (evaluation === undefined)
      return { ...step, candidate: false, reason: 'keeps both on a sample' };
    if (!passes(evaluation, quality))
      return { ...step, evaluation, candidate: false, reason: 'loses too much on all items' };
    const candidate: SearchStep = { ...step, evaluation, candidate: true };
    tracer.keep(candidate, evaluation);
    return candidate;
  });
}

/** @throws {UnmetConstraintsError} when a search found no candidate. */
export function requireCandidates(outcome: SearchOutcome): readonly Candidate[] {
  if (outcome.nearest !== undefined) throw new UnmetConstraintsError(outcome.nearest);
  return outcome.candidates;
}
