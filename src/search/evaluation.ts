import { SearchError } from '../util/errors.js';
import type { ProgressListener } from '../util/progress.js';
import { LIMIT_TOLERANCE, lossUnder, meetsLimit, type MetricLimit } from './constraints.js';
import type { RungDecision } from './ladder/rungs.js';
import type { Assignment } from './space.js';

/** A plan measured to the end. */
export interface ExactEvaluation {
  readonly kind: 'exact';
  /** Accuracy in [0, 1], or perplexity. NaN is allowed and breaks every limit. */
  readonly metric: number;
  /** Further figures, passed through: KL divergence, spike-flip rate, SQNR. */
  readonly extras?: Readonly<Record<string, number>>;
  /** Where samples decide: the plan went through all rungs. */
  readonly rung?: RungDecision;
}

/** A plan whose verdict became certain before it was measured to the end. */
export interface VerdictEvaluation {
  readonly kind: 'verdict';
  readonly passes: boolean;
  /**
   * Of a failure the best metric still possible: the accuracy is at most, the perplexity at least this, and
   * this already breaks the limit. Of a pass the worst one, and this already keeps it.
   */
  readonly bound: number;
  /**
   * Set where a sample decided: the verdict is not certain but holds at a level, and `bound` with it. One that
   * is not clear was taken as the estimate has it.
   */
  readonly rung?: RungDecision;
}

/** An answer of {@link Evaluate}. */
export type Evaluation = ExactEvaluation | VerdictEvaluation;

/**
 * The caller's use of an evaluation, and so what may be left out of it:
 * - `exact`: the metric is needed (baselines, sensitivity).
 * - `exact-if-passes`: a plan that keeps the limit is a candidate and needs its metric; a certain failure
 *   may stop early.
 * - `verdict`: only pass or fail matters (the plan is too large to be a candidate).
 *
 * An evaluator may always answer with the exact metric.
 */
export type Need = 'exact' | 'exact-if-passes' | 'verdict';

export interface EvaluationContext {
  readonly need: Need;
  /** The limit a verdict is about; may be absent where `need` is `exact`. */
  readonly limit?: MetricLimit | undefined;
  /** The accepted plan this one is a step from: most of its network is the same. */
  readonly parent?: Assignment;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressListener | undefined;
}

/** Measures a plan. A rejection ends the search that asked. */
export type Evaluate = (assignment: Assignment, context: EvaluationContext) => Promise<Evaluation>;

/** True where an evaluation keeps the limit. */
export function passes(evaluation: Evaluation, limit: MetricLimit): boolean {
  return evaluation.kind === 'exact' ? meetsLimit(limit, evaluation.metric) : evaluation.passes;
}

/** Loss that a metric, known or still possible, may add before the limit breaks. */
export function marginOf(evaluation: Evaluation, limit: MetricLimit): number {
  const value = evaluation.kind === 'exact' ? evaluation.metric : evaluation.bound;
  return limit.allowedLoss + LIMIT_TOLERANCE - lossUnder(limit, value);
}

/**
 * Calls `evaluate` and holds it to the contract above.
 *
 * @throws {SearchError} when a verdict comes back where the metric is needed, or its bound does not
 *   support it; what `evaluate` throws is passed on.
 */
export async function evaluateChecked(
  evaluate: Evaluate,
  assignment: Assignment,
  context: EvaluationContext,
): Promise<Evaluation> {
  const evaluation = await evaluate(assignment, context);
  if (evaluation.kind === 'exact') return evaluation;
  const { need, limit } = context;
  if (need === 'exact' || limit === undefined || (need === 'exact-if-passes' && evaluation.passes))
    throw new SearchError({
      what: 'the evaluator gave a verdict where the metric is needed',
      where: assignment.key,
      got: `passes ${evaluation.passes}`,
      expected: 'an exact metric',
    });
  if (meetsLimit(limit, evaluation.bound) !== evaluation.passes)
    throw new SearchError({
      what: 'the evaluator gave a verdict that its bound does not support',
      where: assignment.key,
      got: `passes ${evaluation.passes} with bound ${evaluation.bound}`,
      expected: `a bound on that side of the limit (baseline ${limit.baseline}, loss ${limit.allowedLoss})`,
    });
  return evaluation;
}

/** `evaluateChecked` for the metric itself. */
export async function evaluateExactly(
  evaluate: Evaluate,
  assignment: Assignment,
  context: Omit<EvaluationContext, 'need' | 'limit'> = {},
): Promise<ExactEvaluation> {
  const evaluation = await evaluateChecked(evaluate, assignment, { ...context, need: 'exact' });
  return evaluation as ExactEvaluation; // Verdicts are refused for this need.
}
