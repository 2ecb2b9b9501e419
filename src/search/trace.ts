import { throwIfAborted } from '../util/errors.js';
import type { ProgressEvent } from '../util/progress.js';
import type { Limits } from './constraints.js';
import {
  evaluateChecked,
  passes,
  type Evaluate,
  type EvaluationContext,
  type Evaluation,
  type ExactEvaluation,
  type Need,
} from './evaluation.js';
import type { Gate, GateSight } from './gate.js';
import type { RungDecision } from './ladder/rungs.js';
import type { Scored } from './score.js';
import type { Assignment, SearchSpace } from './space.js';

/** The three tiers of the paper, and the two stages of the knapsack search. */
export type Stage = 'global' | 'block' | 'module' | 'knapsack' | 'swap';

/** The reason why a step was taken or taken back. */
export type StepReason =
  /** Keeps both limits: accepted, a candidate. */
  | 'meets both limits'
  /** Keeps the quality limit only: accepted, the descent goes on, no candidate. */
  | 'too large yet'
  /** Breaks the quality limit: refused. */
  | 'loses too much'
  /** The metric is no number, which breaks the quality limit: refused. */
  | 'metric is not a number'
  /** A sample says that it keeps both limits: accepted, but a smaller plan is as good within the noise. */
  | 'keeps both on a sample'
  /** Accepted from a sample, but all items together break the quality limit: no candidate. */
  | 'loses too much on all items'
  /** Drifts further than the gate allows: refused, its metric is not known. */
  | 'refused by the gate, not measured';

/** One plan that was tried. */
export interface SearchStep {
  /** Place in the trace, from 0. */
  readonly index: number;
  readonly stage: Stage;
  /** The change: 'model', a block, a module, a matrix, or a swap in words. */
  readonly unit: string;
  /** The bits it was given; absent where several units got different ones. */
  readonly bits?: number;
  readonly assignment: Assignment;
  readonly bytes: number;
  readonly evaluation: Evaluation;
  /** Keeps the quality limit. */
  readonly accepted: boolean;
  /** Keeps both limits. */
  readonly candidate: boolean;
  readonly reason: StepReason;
  /** Where samples decide: the one that did. */
  readonly rung?: RungDecision;
  /** Of a plan that the gate refused: what it saw. Its evaluation is a failure whose bound is NaN. */
  readonly gate?: GateSight;
}

/** A plan that keeps both limits, with its metric: one to select. */
export interface Candidate extends Scored {
  readonly assignment: Assignment;
  readonly stage: Stage;
  /** Index of its step in the trace. */
  readonly step: number;
  readonly extras?: Readonly<Record<string, number>>;
}

/** Sent before each evaluation (`done` counts those finished) and once at the end. */
export interface SearchProgress extends ProgressEvent {
  readonly stage: Stage;
  /** The unit being tried, and its bits where it is one width. */
  readonly group: string;
  readonly bits?: number;
  /** The candidate with the smallest footprint so far. */
  readonly best?: Candidate;
  /**
   * `total - done`: evaluations left at most. While bracketing, the most that a walk in order would need,
   * which a few probes past a failure can exceed.
   */
  readonly evaluationsLeft: number;
  /** Units of the tiers whose turn is still to come or not over; absent where there are no tiers. */
  readonly groupsLeft?: number;
}

/** Options of a long search beside its own. */
export interface SearchRunOptions {
  readonly onProgress?: ((event: SearchProgress) => void) | undefined;
  /** Each step as it is decided: with these the trace is kept when a later evaluation throws. */
  readonly onStep?: ((step: SearchStep) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * The evaluator decides from samples where it can: what a pass needs of the metric is measured at the end, for
   * plans that may be on the front, and only those measured on all items are candidates.
   */
  readonly sampled?: boolean | undefined;
  /** Refuses plans before they are measured; none by default. */
  readonly gate?: Gate | undefined;
}

/** A plan to try. */
export interface Trial {
  readonly stage: Stage;
  readonly unit: string;
  readonly bits?: number;
  readonly assignment: Assignment;
  /** The accepted plan it is a step from. */
  readonly parent: Assignment;
  /** Set where more of the metric is needed than the limits alone ask for. */
  readonly need?: Need;
  /** As of {@link SearchProgress}. */
  readonly groupsLeft?: number;
}

/** Tries plans against limits, and keeps the trace and the candidates. */
export class Tracer {
  readonly steps: SearchStep[] = [];
  readonly candidates: Candidate[] = [];
  #best: Candidate | undefined;

  constructor(
    readonly space: SearchSpace,
    private readonly evaluate: Evaluate,
    readonly limits: Limits,
    readonly options: SearchRunOptions,
  ) {}

  /**
   * Measures a plan and records the verdict.
   *
   * @param evaluationsLeft the most that may follow, this one included.
   * @throws {AbortedError} when the signal has fired; what `evaluate` throws is passed on.
   */
  async try(trial: Trial, evaluationsLeft: number): Promise<SearchStep> {
    throwIfAborted(this.options.signal, 'search');
    this.report(trial, evaluationsLeft);
    const bytes = this.space.bytes(trial.assignment);
    const fits = bytes <= this.limits.maxBytes;
    const context: EvaluationContext = {
      // A plan that is too large may still be on the Pareto front.
      need: trial.need ?? (this.options.sampled === true ? 'verdict' : 'exact-if-passes'),
      limit: this.limits.quality,
      parent: trial.parent,
      signal: this.options.signal,
    };
    const sight = await this.options.gate?.refusal(trial.assignment, this.options.signal);
    const evaluation: Evaluation = sight
      ? { kind: 'verdict', passes: false, bound: NaN }
      : await evaluateChecked(this.evaluate, trial.assignment, context);
    const accepted = passes(evaluation, this.limits.quality);
    const step: SearchStep = {
      index: this.steps.length,
      stage: trial.stage,
      unit: trial.unit,
      ...(trial.bits !== undefined && { bits: trial.bits }),
      assignment: trial.assignment,
      bytes,
      evaluation,
      accepted,
      candidate: accepted && fits,
      reason: sight ? 'refused by the gate, not measured' : reasonOf(evaluation, accepted, fits),
      ...(evaluation.rung && { rung: evaluation.rung }),
      ...(sight && { gate: sight }),
    };
    this.steps.push(step);
    if (step.candidate && evaluation.kind === 'exact') this.keep(step, evaluation);
    this.options.onStep?.(step);
    return step;
  }

  /** Tells the listener what is tried next, or with `evaluationsLeft` 0 that all is done. */
  report(
    { stage, unit, bits, groupsLeft }: Pick<Trial, 'stage' | 'unit' | 'bits' | 'groupsLeft'>,
    evaluationsLeft: number,
  ): void {
    const done = this.steps.length;
    const best = this.#best;
    const atBits = bits === undefined ? '' : ` at ${bits} bits`;
    this.options.onProgress?.({
      phase: evaluationsLeft === 0 ? 'search done' : `${stage}: ${unit}${atBits}`,
      done,
      total: done + evaluationsLeft,
      unit: 'evaluations',
      note: best === undefined ? 'no candidate yet' : noteOf(best, this.limits.quality.metric),
      stage,
      group: unit,
      ...(bits !== undefined && { bits }),
      ...(best && { best }),
      evaluationsLeft,
      ...(groupsLeft !== undefined && { groupsLeft }),
    });
  }

  /** Keeps a step as a candidate. */
  keep(step: SearchStep, evaluation: ExactEvaluation): void {
    const candidate: Candidate = {
      assignment: step.assignment,
      metric: evaluation.metric,
      bytes: step.bytes,
      stage: step.stage,
      step: step.index,
      ...(evaluation.extras && { extras: evaluation.extras }),
    };
    this.candidates.push(candidate);
    if (this.#best === undefined || candidate.bytes < this.#best.bytes) this.#best = candidate;
  }
}

function reasonOf(evaluation: Evaluation, accepted: boolean, fits: boolean): StepReason {
  if (accepted) return fits ? 'meets both limits' : 'too large yet';
  return evaluation.kind === 'exact' && Number.isNaN(evaluation.metric)
    ? 'metric is not a number'
    : 'loses too much';
}

function noteOf(best: Candidate, metric: string): string {
  return `best so far: ${metric} ${Number(best.metric.toPrecision(5))}, ${best.bytes} bytes`;
}
