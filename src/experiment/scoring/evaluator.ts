import { resolve } from 'node:path';
import { backendIdentity, type BackendName } from '../../backend/start.js';
import { statedConfig, type ModelStructure } from '../../model/structure.js';
import { planId, type ResolvedPlan } from '../../quant/plan.js';
import { UNQUANTIZED_BITS } from '../../quant/scheme/scheme.js';
import type { MetricLimit } from '../../search/constraints.js';
import type {
  Evaluate,
  EvaluationContext,
  ExactEvaluation,
  Need,
  VerdictEvaluation,
} from '../../search/evaluation.js';
import type { Assignment } from '../../search/space.js';
import { memoryStore } from '../../store/memory-store.js';
import type { MeasurementKey } from '../../store/key.js';
import type { MeasurementStore } from '../../store/types.js';
import type { BatchScores, Measurement, Task } from '../../tasks/task.js';
import { ModelError } from '../../util/errors.js';
import type { RunOptions } from '../../util/progress.js';
import type { ModelSpace } from '../open/model-space.js';
import { arrangedByRisk } from './risk.js';
import { SharedPool } from './shared-pool.js';
import { certainVerdict, type Tally, type VerdictQuestion } from './verdict.js';
import { addWork, noWork, type Work } from '../../model/work.js';

/**
 * The ways an evaluation is made cheaper, each of which can be switched off. None changes a measurement,
 * a verdict or the path of a search.
 */
export interface Accelerations {
  /** Keep the residual streams before the first changed stage. */
  readonly prefix: boolean;
  /** Let a sequence leave once its spikes are those of a plan measured before. */
  readonly exit: boolean;
  /** Stop once pass or fail is certain. */
  readonly verdicts: boolean;
  /** Take what was measured before from the store. */
  readonly memo: boolean;
  /** Worker threads; 0 computes in the calling thread. */
  readonly workers: number;
}

export const ALL_ACCELERATIONS: Accelerations = {
  prefix: true,
  exit: true,
  verdicts: true,
  memo: true,
  workers: 2,
};
export const NO_ACCELERATIONS: Accelerations = {
  prefix: false,
  exit: false,
  verdicts: false,
  memo: false,
  workers: 0,
};

/** Raise when kernels or the meaning of a measurement change: stored numbers of before do not count. */
export const MEASUREMENT_VERSION = '2';

/** Device memory for kept streams, in all threads together. */
const DEFAULT_BUDGET_BYTES = 1.2e9;

export interface EvaluatorOptions {
  /** Path of the checkpoint, and its SHA-256. */
  readonly checkpoint: string;
  readonly checkpointHash: string;
  readonly model: ModelStructure;
  /** Name of a backend; not `auto`, since stored numbers belong to one. */
  readonly backend: BackendName;
  readonly task: Task;
  /** The part of the data: "search", "dev". */
  readonly split: string;
  readonly limit?: number | undefined;
  readonly context?: number | undefined;
  readonly store?: MeasurementStore | undefined;
  readonly accelerations?: Partial<Accelerations> | undefined;
  readonly budgetBytes?: number | undefined;
  /**
   * Where plans are scored; by default a pool of this evaluator's own, opened when first needed. A pool
   * that is handed in stays its owner's: of the accelerations, prefix, exit and workers are then its own.
   */
  readonly pool?: SharedPool | undefined;
}

/** The pool an evaluator with these options scores in; the caller closes it. */
export function openPool({
  checkpoint,
  model,
  backend,
  accelerations,
  budgetBytes = DEFAULT_BUDGET_BYTES,
}: Pick<
  EvaluatorOptions,
  'checkpoint' | 'model' | 'backend' | 'accelerations' | 'budgetBytes'
>): SharedPool {
  const { prefix, exit, workers } = { ...ALL_ACCELERATIONS, ...accelerations };
  return new SharedPool({
    checkpoint: resolve(checkpoint),
    stated: statedConfig(model),
    backend,
    workers,
    reuse: { prefix, exit, budgetBytes },
  });
}

/** What an evaluator did so far. */
export interface EvaluatorReport {
  readonly work: Work;
  /** Work of one evaluation of the whole task. */
  readonly fullWork: number;
  /** Plans measured to the end, stopped on a certain verdict, and taken from memory. */
  readonly measured: number;
  readonly stopped: number;
  readonly remembered: number;
  readonly seconds: number;
}

/** Measures plans of one model on one task. */
export class Evaluator {
  private readonly work = noWork();
  private counts = { measured: 0, stopped: 0, remembered: 0, seconds: 0 };
  private fullWork = 0;
  private task: Task;
  private arranged = false;
  private baselineScores: readonly BatchScores[] = [];

  private constructor(
    private readonly options: EvaluatorOptions,
    private readonly accelerations: Accelerations,
    private readonly store: MeasurementStore,
    private readonly pool: SharedPool,
  ) {
    this.task = options.task;
  }

  /** No weights are read before the first plan is scored. */
  static open(options: EvaluatorOptions): Evaluator {
    const accelerations = { ...ALL_ACCELERATIONS, ...options.accelerations };
    const pool = options.pool ?? openPool(options);
    return new Evaluator(options, accelerations, options.store ?? memoryStore(), pool);
  }

  report(): EvaluatorReport {
    return { work: this.work, fullWork: this.fullWork, ...this.counts };
  }

  /** The key under which a plan's measurement is stored. */
  keyOf(plan: ResolvedPlan): MeasurementKey {
    const { checkpointHash, model, task, split, limit, context, backend } = this.options;
    return {
      checkpoint: checkpointHash,
      plan: planId(plan),
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
   */
  async measure(plan: ResolvedPlan, bytes: number, options: RunOptions = {}): Promise<Measurement> {
    const answer = await this.answer(plan, bytes, undefined, options);
    // Without a question there is no verdict.
    return answer as Measurement;
  }

  /**
   * The `evaluate` that a search over a space is handed. The metric of a quantized model whose outputs are
   * not finite is NaN. Extras: `low` and `high`, the ends of the metric's interval.
   */
  evaluateIn(space: ModelSpace): Evaluate {
    return async (assignment: Assignment, context: EvaluationContext) => {
      const plan = space.resolve(assignment);
      const { need, limit, signal, onProgress } = context;
      const asked = limit && this.accelerations.verdicts ? { need, limit } : undefined;
      return this.orBroken(plan, async () => {
        const answer = await this.answer(plan, space.bytes(assignment), asked, {
          ...(signal && { signal }),
          ...(onProgress && { onProgress }),
        });
        if ('kind' in answer) return answer;
        const { low, high } = answer.interval;
        return { kind: 'exact', metric: answer.value, extras: { low, high } };
      });
    };
  }

  /** What `evaluate` finds, or NaN for a plan that breaks the model; that is remembered too. */
  private async orBroken(
    plan: ResolvedPlan,
    evaluate: () => Promise<ExactEvaluation | VerdictEvaluation>,
  ): Promise<ExactEvaluation | VerdictEvaluation> {
    const { memo } = this.accelerations;
    const key = this.keyOf(plan);
    if (memo && this.store.verdict(key, null) !== undefined) {
      this.counts.remembered++;
      return BROKEN;
    }
    try {
      return await evaluate();
    } catch (error) {
      // The task throws it for outputs that are not finite; of the unquantized model it is a fault.
      if (!(error instanceof ModelError) || isUnquantized(plan)) throw error;
      if (memo) this.store.putVerdict(key, null, { passes: false, bound: NaN });
      return BROKEN;
    }
  }

  private async answer(
    plan: ResolvedPlan,
    bytes: number,
    asked: { readonly need: Need; readonly limit: MetricLimit } | undefined,
    options: RunOptions,
  ): Promise<Measurement | VerdictEvaluation> {
    const started = performance.now();
    try {
      const answer = this.accelerations.memo
        ? await this.recall(plan, bytes, asked, options)
        : await this.compute(plan, asked, options);
      if (isUnquantized(plan) && !('kind' in answer)) this.arrange(answer);
      return answer;
    } finally {
      this.counts.seconds += (performance.now() - started) / 1000;
    }
  }

  /** From the store, or computed and stored; certain verdicts are remembered as well. */
  private async recall(
    plan: ResolvedPlan,
    bytes: number,
    asked: { readonly need: Need; readonly limit: MetricLimit } | undefined,
    options: RunOptions,
  ): Promise<Measurement | VerdictEvaluation> {
    const key = this.keyOf(plan);
    const known = this.knownVerdict(key, asked);
    if (known !== undefined) {
      this.counts.remembered++;
      return known;
    }
    try {
      const { fresh, measurement } = await this.store.getOrMeasure(
        key,
        async () => {
          // Another process may have come to it while this one waited for its turn.
          const meanwhile = this.knownVerdict(key, asked);
          if (meanwhile !== undefined) throw new Settled(meanwhile, false);
          const answer = await this.compute(plan, asked, options);
          if ('kind' in answer) throw new Settled(answer, true);
          return { measurement: answer, bytes };
        },
        options.signal ? { signal: options.signal } : {},
      );
      if (!fresh) this.counts.remembered++;
      return measurement;
    } catch (error) {
      if (!(error instanceof Settled)) throw error;
      if (error.fresh) this.store.putVerdict(key, asked!.limit, error.verdict);
      else this.counts.remembered++;
      return error.verdict;
    }
  }

  /** A verdict of before that answers the question; a pass does not where its metric is needed. */
  private knownVerdict(
    key: MeasurementKey,
    asked: { readonly need: Need; readonly limit: MetricLimit } | undefined,
  ): VerdictEvaluation | undefined {
    if (asked === undefined || asked.need === 'exact') return undefined;
    const known = this.store.verdict(key, asked.limit);
    if (known === undefined || (asked.need === 'exact-if-passes' && known.passes)) return undefined;
    return { kind: 'verdict', passes: known.passes, bound: known.bound };
  }

  private async compute(
    plan: ResolvedPlan,
    asked: { readonly need: Need; readonly limit: MetricLimit } | undefined,
    { signal, onProgress }: RunOptions,
  ): Promise<Measurement | VerdictEvaluation> {
    const { task } = this;
    const started = performance.now();
    const question = asked && { ...asked, items: task.items, tokens: task.tokens };
    const { scores, work } = await this.pool.score(task, {
      plan,
      question,
      signal,
      onItems:
        onProgress &&
        ((items) => {
          onProgress({ phase: 'evaluate', done: items, total: task.items, unit: 'items' });
        }),
    });
    addWork(this.work, work);
    this.fullWork = work.done + work.savedByPrefix + work.savedByExit + work.savedByVerdict;
    const tally = tallyOf(scores);
    if (tally.items < task.items) {
      this.counts.stopped++;
      return verdictOf(question!, tally);
    }
    this.counts.measured++;
    if (isUnquantized(plan)) this.baselineScores = scores;
    const seconds = (performance.now() - started) / 1000;
    return task.measure(scores, this.options.model.config.contextLength, seconds);
  }

  /** Puts the items that settle verdicts soonest first, once the unquantized model has been seen. */
  private arrange(baseline: Measurement): void {
    if (!this.accelerations.verdicts || this.arranged) return;
    this.arranged = true;
    this.task = arrangedByRisk(this.options.task, baseline, this.baselineScores);
  }

  async close(): Promise<void> {
    if (this.options.pool === undefined) await this.pool.close();
  }
}

/** Of a plan under which the model's outputs are not finite. */
const BROKEN: ExactEvaluation = { kind: 'exact', metric: NaN };

/** Carries a verdict out of the store's `measure`, which only takes measurements. */
class Settled extends Error {
  constructor(
    readonly verdict: VerdictEvaluation,
    /** That it was found just now, and is to be kept. */
    readonly fresh: boolean,
  ) {
    super('the verdict is certain');
  }
}

function tallyOf(scores: readonly BatchScores[]): Tally {
  const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
  return scores.reduce(
    (tally, { values }) => ({ items: tally.items + values.length, sum: tally.sum + sum(values) }),
    { items: 0, sum: 0 },
  );
}

/** The verdict on which the scoring stopped. */
function verdictOf(question: VerdictQuestion, tally: Tally): VerdictEvaluation {
  const verdict = certainVerdict(question, tally);
  if (verdict === undefined) throw new Error('scoring stopped before the verdict was certain');
  return verdict;
}

function isUnquantized(plan: ResolvedPlan): boolean {
  return [...plan.values()].every(({ bits }) => bits === UNQUANTIZED_BITS);
}
