import { backendIdentity } from '../../backend/start.js';
import { isCalibrated } from '../../quant/matrix-values.js';
import { isUnquantized, planId, type ResolvedPlan } from '../../quant/plan.js';
import { meetsLimit } from '../../search/constraints.js';
import type { Evaluate, Evaluation } from '../../search/evaluation.js';
import { Anchors } from '../../search/ladder/anchors.js';
import type { RungDecision } from '../../search/ladder/rungs.js';
import type { Assignment } from '../../search/space.js';
import {
  memoryStore,
  type Answer,
  type MeasurementKey,
  type MeasurementStore,
  type Outcome,
  type Question,
} from '../../store/index.js';
import type { Measurement } from '../../tasks/metrics/metrics.js';
import { pairedRange, type PairedRange } from '../../tasks/metrics/paired.js';
import { ModelError } from '../../util/errors.js';
import type { RunOptions } from '../../util/progress.js';
import type { ModelSpace } from '../open/model-space.js';
import { Ladder, wholeRung, type LadderParts } from './ladder.js';
import {
  ALL_ACCELERATIONS,
  MEASUREMENT_VERSION,
  openPool,
  type Accelerations,
  type EvaluatorOptions,
} from './options.js';
import { BROKEN, finite, questionsOf } from './questions.js';
import type { SharedPool } from './shared-pool.js';
import { speedOf, type PlanSpeed } from './speeds.js';
import { TaskScoring, type ScoringReport } from './task-scoring.js';
import { refusalOf, type Asked } from './verdict.js';

/** The work of an evaluator so far. */
export interface EvaluatorReport extends ScoringReport {
  /** Plans whose answer was in the store. */
  readonly remembered: number;
  readonly seconds: number;
  /** Of each plan answered with a metric, in the order of the answers. */
  readonly speeds: readonly PlanSpeed[];
}

/** Plans evaluated from samples. */
export interface SampledEvaluate {
  readonly evaluate: Evaluate;
  /** The metric of a plan as the smallest rung has it, with its interval at a level a side. */
  readonly estimate: (
    assignment: Assignment,
    level: number,
    run?: RunOptions,
  ) => Promise<RungDecision>;
}

/** Measures plans of one model on one task: scores those that the store does not know, and keeps them. */
export class Evaluator {
  private answered = 0;
  private seconds = 0;
  private readonly speeds: PlanSpeed[] = [];
  /** Answers that are waited for, and since when there are any: those at once count once. */
  private underWay = 0;
  private began = 0;
  /** Of each plan answered to the end, by its id: paired comparisons need the items. */
  private readonly known = new Map<string, Measurement>();
  private baseline: Measurement | undefined;
  private readonly scoring: TaskScoring;

  private constructor(
    private readonly options: EvaluatorOptions,
    private readonly accelerations: Accelerations,
    private readonly store: MeasurementStore,
    private readonly pool: SharedPool,
  ) {
    this.scoring = new TaskScoring(options.task, options.model.config.contextLength, pool);
  }

  /** No weights are read before the first plan is scored. */
  static open(options: EvaluatorOptions): Evaluator {
    const accelerations = { ...ALL_ACCELERATIONS, ...options.accelerations };
    const pool = options.pool ?? openPool(options);
    return new Evaluator(options, accelerations, options.store ?? memoryStore(), pool);
  }

  /** The work so far. */
  report(): EvaluatorReport {
    const { answered: remembered, seconds, speeds } = this;
    return { ...this.scoring.report(), remembered, seconds, speeds };
  }

  /** Plans that may be asked for at once, where they do not depend on each other. */
  get inFlight(): number {
    return this.pool.inFlight;
  }

  /** The key under which a plan's measurement is stored: integers of another sample are another plan's. */
  keyOf(plan: ResolvedPlan, task = this.options.task): MeasurementKey {
    const { checkpointHash, model, split, limit, context, backend, calibrated } = this.options;
    const sample = calibrated && isCalibrated(plan) ? `/${calibrated.id}` : '';
    return {
      checkpoint: checkpointHash,
      plan: planId(plan) + sample,
      task: task.name,
      data: task.id,
      split,
      limit: limit ?? null,
      context: context ?? null,
      backend: backendIdentity(backend),
      version: `${MEASUREMENT_VERSION}/${model.family.variant(model.config)}`,
    };
  }

  /**
   * Measures a plan to the end, or finds it in the store.
   *
   * @param bytes the plan's footprint, kept beside the measurement
   * @throws {ModelError} for a plan that breaks the model: its outputs are not finite
   */
  async measure(plan: ResolvedPlan, bytes: number, options: RunOptions = {}): Promise<Measurement> {
    // Without a question there is no verdict.
    const ask = async (): Promise<Outcome> => ({
      measurement: (await this.scoring.score(plan, undefined, options)) as Measurement,
      bytes,
    });
    return ((await this.answer(plan, [], ask, options)) as Outcome).measurement;
  }

  /** The measurement of a plan that the store knows; nothing is measured for it. */
  remembered(plan: ResolvedPlan): Measurement | undefined {
    return this.accelerations.memo ? this.store.get(this.keyOf(plan))?.measurement : undefined;
  }

  /** Scores some batches of the task for their time alone. @returns their tokens. */
  async scoreSome(
    plan: ResolvedPlan,
    batches: readonly number[],
    options: RunOptions,
  ): Promise<number> {
    return this.scoring.probe(plan, batches, options);
  }

  /** The measurement of a plan that this evaluator has answered for; nothing is measured for it. */
  recall(plan: ResolvedPlan): Measurement | undefined {
    return this.known.get(planId(plan));
  }

  /**
   * The `evaluate` that a search over a space is handed. The metric of a quantized model whose outputs are
   * not finite is NaN. Extras: `low` and `high`, the ends of the metric's interval, and once the unquantized
   * model has been measured `pairedLow` and `pairedHigh`, those of its interval beside that model's metric.
   * A plan that breaks the limit asked about gets the same refusal whatever is known of it.
   */
  evaluateIn(space: ModelSpace): Evaluate {
    return async (assignment, { need, limit, signal, onProgress }) => {
      const plan = space.resolve(assignment);
      const asked = limit && this.accelerations.verdicts ? { need, limit } : undefined;
      const options = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
      const ask = (): Promise<Answer> => this.ask(plan, space.bytes(assignment), asked, options);
      const answer = await this.answer(plan, [BROKEN, ...questionsOf(asked)], ask, options);
      return this.evaluationOf(answer, asked);
    };
  }

  /**
   * The same from growing samples, where a limit is asked about: a verdict from the smallest rung that is clear
   * of it. A metric that is needed is measured on all items, as are plans that no rung below is clear for.
   * The unquantized model comes first.
   */
  evaluateOn(space: ModelSpace, parts: LadderParts): SampledEvaluate {
    const { task, model } = this.options;
    const ladder = new Ladder(parts, {
      scoring: this.scoring,
      contextLength: model.config.contextLength,
      store: this.accelerations.memo ? this.store : undefined,
      keyOf: (plan, part = task) => this.keyOf(plan, part),
      onRemembered: () => this.answered++,
    });
    const measure = async (
      plan: ResolvedPlan,
      bytes: number,
      options: RunOptions,
    ): Promise<Evaluation> => {
      const ask = (): Promise<Answer> =>
        finite(plan, async () => ({
          measurement: await ladder.measure(plan, bytes, options),
          bytes,
        }));
      return this.evaluationOf(await this.answer(plan, [BROKEN], ask, options), undefined);
    };
    const anchors = new Anchors();
    const evaluate: Evaluate = async (assignment, context) => {
      const { need, limit, parent, signal, onProgress } = context;
      const [plan, bytes] = [space.resolve(assignment), space.bytes(assignment)];
      const options = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
      const { baseline } = this;
      if (need === 'exact' || limit === undefined || baseline === undefined)
        return measure(plan, bytes, options);
      anchors.step(assignment, parent);
      const anchor = anchors.of(assignment, baseline);
      try {
        const found = await ladder.climb(plan, bytes, anchor, limit, options);
        if (found !== undefined) {
          const beside = anchor.assignment && planId(space.resolve(anchor.assignment));
          return beside === undefined ? found : { ...found, rung: { ...found.rung, beside } };
        }
        const whole = await measure(plan, bytes, options);
        const measurement = this.recall(plan);
        if (measurement !== undefined) anchors.whole(assignment, measurement);
        return whole.kind === 'exact' ? { ...whole, rung: wholeRung(whole, task.items) } : whole;
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        return { kind: 'exact', metric: NaN };
      }
    };
    return {
      evaluate,
      estimate: (assignment, level, run = {}) =>
        ladder.estimate(
          space.resolve(assignment),
          space.bytes(assignment),
          this.baseline!,
          level,
          run,
        ),
    };
  }

  /** The same for a plan of which more is known than was asked for as for one of which it is not. */
  private evaluationOf(answer: Answer, asked: Asked | undefined): Evaluation {
    const { task } = this.options;
    if ('measurement' in answer) {
      const { value: metric, interval } = answer.measurement;
      if (asked && asked.need !== 'exact' && !meetsLimit(asked.limit, metric))
        return refusalOf(asked.limit, task);
      const { low, high } = interval;
      return { kind: 'exact', metric, extras: { low, high, ...this.pairedWith(answer) } };
    }
    const { verdict, limit } = answer;
    if (limit === null) return { kind: 'exact', metric: NaN };
    if (!verdict.passes) return refusalOf(limit, task);
    return { kind: 'verdict', passes: true, bound: verdict.bound };
  }

  /** Beside the unquantized model, where it has been measured, and for any other. */
  private pairedWith({ measurement }: Outcome): PairedRange | undefined {
    const { baseline } = this;
    return baseline === undefined || baseline === measurement
      ? undefined
      : pairedRange(baseline, measurement);
  }

  private async ask(
    plan: ResolvedPlan,
    bytes: number,
    asked: Asked | undefined,
    options: RunOptions,
  ): Promise<Answer> {
    return finite(plan, async () => {
      const found = await this.scoring.score(plan, asked, options);
      if ('kind' in found) return { verdict: found, limit: asked!.limit };
      return { measurement: found, bytes };
    });
  }

  /** From the store, or asked and kept. */
  private async answer(
    plan: ResolvedPlan,
    questions: readonly Question[],
    ask: () => Promise<Answer>,
    { signal }: RunOptions,
  ): Promise<Answer> {
    if (this.underWay++ === 0) this.began = performance.now();
    try {
      const answer = this.accelerations.memo
        ? await this.store.getOrAnswer(this.keyOf(plan), questions, ask, { signal })
        : await ask();
      if ('fresh' in answer && !answer.fresh) this.answered++;
      if ('measurement' in answer) this.keep(planId(plan), answer);
      if (isUnquantized(plan) && 'measurement' in answer) {
        this.baseline = answer.measurement;
        if (this.accelerations.verdicts) this.scoring.arrange(answer.measurement);
      }
      return answer;
    } finally {
      if (--this.underWay === 0) this.seconds += (performance.now() - this.began) / 1000;
    }
  }

  private keep(plan: string, answer: Outcome): void {
    this.known.set(plan, answer.measurement);
    this.speeds.push(...speedOf(plan, answer));
  }

  /** Ends the threads of a pool of its own. */
  async close(): Promise<void> {
    if (this.options.pool === undefined) await this.pool.close();
  }
}
