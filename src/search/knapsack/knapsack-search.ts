import { metricOf } from '../../tasks/metrics/metrics.js';
import { lossUnder, resolveLimits, type Constraints } from '../constraints.js';
import { marginOf, type Evaluate } from '../evaluation.js';
import { concludeSearch, type SearchOutcome } from '../outcome.js';
import { requireThat } from '../require.js';
import type { SensitivityTable } from '../sensitivity.js';
import { Assignment, checkSpace, type SearchSpace } from '../space.js';
import { around, findBoundary, middle, type Verdict } from '../tiers/boundary.js';
import {
  Tracer,
  type Candidate,
  type SearchRunOptions,
  type SearchStep,
  type Trial,
} from '../trace.js';
import { additiveModel, type AdditiveModel, type AdditiveModelOptions } from './additive.js';
import type { KnapsackFront } from './knapsack.js';
import { movesFrom, ShiftExperience, type Move } from './swaps.js';

/** The smallest footprint within the quality limit, or the best metric within the memory limit. */
export type Objective = 'footprint' | 'quality';

export interface KnapsackSearchOptions extends SearchRunOptions, AdditiveModelOptions {
  readonly constraints: Constraints;
  readonly objective?: Objective;
  /** Evaluations to spend on verification and swaps together; 24 by default. */
  readonly maxEvaluations?: number;
  /**
   * A swap is only measured where the model, corrected by what single moves were measured to lose, predicts
   * that it breaks the quality limit by no more than this, in the metric's unit; 0 by default.
   */
  readonly slack?: number;
}

export interface KnapsackSearchResult extends SearchOutcome {
  /** The best candidate by the objective; absent where nothing keeps both limits. */
  readonly plan?: Candidate;
  /** The predicted front, for every budget. */
  readonly front: KnapsackFront;
}

const DEFAULT_MAX_EVALUATIONS = 24;
/** Plans of the front closer than this share of their bytes are not told apart when it is searched. */
const FRONT_RESOLUTION = 0.01;
/** Points measured at the memory limit before swaps start. */
const BEST_FEW = 4;

/**
 * The search beyond the paper: a table of what each unit loses alone, measured once, predicts the best plan
 * for any budget by dynamic programming; then plans are measured until the best true one is found.
 *
 *     model ← additive model of the table               no evaluation
 *     front ← its best plans that fit the memory        no evaluation
 *     verify: footprint: the smallest plan of the front that keeps the quality limit (boundary search)
 *             quality:   the best of the few largest plans
 *     flat:   where none of them passes, the same over plans between which the table sees no difference
 *     swap:   lower one unit, raise another, while that improves and evaluations are left
 *
 * The objective 'quality' keeps the quality limit too, where there is one.
 *
 * @param table of `options.level`, measured with the same data as `evaluate` measures.
 * @throws {SearchError} for a table without rows of the level, or limits that are none.
 * @throws {AbortedError} when the signal fires. What `evaluate` throws is passed on.
 */
export async function knapsackSearch(
  space: SearchSpace,
  evaluate: Evaluate,
  table: SensitivityTable,
  options: KnapsackSearchOptions,
): Promise<KnapsackSearchResult> {
  checkSpace(space);
  const { baseline, fp32Bytes } = table;
  const limits = resolveLimits(options.constraints, table.metric, baseline.metric, fp32Bytes);
  const model = additiveModel(space, table, options);
  const tracer = new Tracer(space, evaluate, limits, options);
  const verification = new Verification(model, tracer, options);
  await verification.run();
  const { best } = verification;
  const outcome = await concludeSearch(tracer, evaluate, baseline, options.signal);
  return { ...outcome, front: model.front, ...(best && { plan: best }) };
}

/** Measures plans of the front, then swaps around the best. */
class Verification {
  best: Candidate | undefined;
  readonly #objective: Objective;
  readonly #maxEvaluations: number;
  readonly #slack: number;
  readonly #experience = new ShiftExperience();
  readonly #tried = new Map<string, SearchStep>();

  constructor(
    private readonly model: AdditiveModel,
    private readonly tracer: Tracer,
    private readonly options: KnapsackSearchOptions,
  ) {
    this.#objective = options.objective ?? 'footprint';
    this.#maxEvaluations = options.maxEvaluations ?? DEFAULT_MAX_EVALUATIONS;
    this.#slack = options.slack ?? 0;
    const most = this.#maxEvaluations;
    requireThat(most >= 1, 'no evaluation allowed', 'maxEvaluations', most, 'at least 1');
  }

  async run(): Promise<void> {
    await this.verify(this.model.front, 'front');
    // The least that the table predicts is too much: it is flat there, or wrong.
    if (this.best === undefined) await this.verify(this.model.flatFront(), 'flat front');
    while (this.best !== undefined && (await this.improve(this.best)));
    this.tracer.report({ stage: 'swap', unit: 'model' }, 0);
  }

  private async verify(front: KnapsackFront, name: string): Promise<void> {
    const chain = this.usablePoints(front);
    const verdictAt = (index: number): Promise<Verdict> =>
      this.verdictOf(front, chain[index], name);
    if (this.#objective === 'quality') {
      for (const index of chain.slice(0, BEST_FEW).keys()) await verdictAt(index);
      return;
    }
    const probe =
      front === this.model.front && this.options.lossOf === undefined
        ? around(this.guess(chain))
        : middle;
    const options = { probe, neighbours: 0, slack: 0, startMargin: Infinity };
    await findBoundary(chain.length, verdictAt, options);
  }

  /** Where the limit breaks by the table; only a loss in the metric's unit can be held against it. */
  private guess(chain: readonly number[]): number {
    const { allowedLoss } = this.tracer.limits.quality;
    const { points } = this.model.front;
    return chain.findLastIndex((point) => points[point].loss <= allowedLoss);
  }

  /** Points of a front that fit the memory limit, by falling bytes, a resolution apart. */
  private usablePoints(front: KnapsackFront): number[] {
    const chain: number[] = [];
    let next = this.tracer.limits.maxBytes;
    for (let point = front.within(next); point >= 0; point--) {
      if (front.points[point].bytes > next && point > 0) continue;
      chain.push(point);
      next = front.points[point].bytes * (1 - FRONT_RESOLUTION);
    }
    return chain;
  }

  private async verdictOf(front: KnapsackFront, point: number, name: string): Promise<Verdict> {
    const step = await this.try({
      stage: 'knapsack',
      unit: `${name} at ${front.points[point].bytes} bytes`,
      assignment: this.model.assignment(front.bitsAt(point)),
      parent: Assignment.unquantized,
    });
    // With no evaluation left the boundary search ends on what it knows.
    return { passes: step?.accepted ?? false, margin: 0 };
  }

  /** Tries moves from a plan, the most promising first; true as soon as one is better. */
  private async improve(from: Candidate): Promise<boolean> {
    const { quality } = this.tracer.limits;
    const margin = quality.allowedLoss - lossUnder(quality, from.metric);
    for (const move of this.moves(from)) {
      if (this.#tried.has(move.assignment.key)) continue;
      // Asked anew for each move: those measured meanwhile may have taught better.
      if (this.#experience.predict(move) > margin + this.#slack) continue;
      const step = await this.try({
        stage: 'swap',
        unit: move.description,
        assignment: move.assignment,
        parent: from.assignment,
        // A verdict's bound would teach something else than the metric does.
        need: 'exact',
      });
      if (step === undefined) return false;
      if (this.best !== from) return true;
      this.#experience.learn(move, margin - marginOf(step.evaluation, quality));
    }
    return false;
  }

  private moves(from: Candidate): Move[] {
    const moves = movesFrom(this.model, from);
    if (this.#objective === 'quality')
      return moves
        .filter((move) => move.bytes <= this.tracer.limits.maxBytes && move.loss < 0)
        .sort((a, b) => a.loss - b.loss);
    const cost = (move: Move): number => move.loss / (from.bytes - move.bytes);
    const smaller = moves.filter((move) => move.bytes < from.bytes);
    const alone = smaller.filter((move) => move.shifts.length === 1);
    const pairs = smaller.filter((move) => move.shifts.length > 1);
    // Units alone first, by what they save: one that fails teaches what its pairs would repeat.
    return [...alone.sort((a, b) => a.bytes - b.bytes), ...pairs.sort((a, b) => cost(a) - cost(b))];
  }

  /** @returns undefined when no evaluation is left. */
  private async try(trial: Trial): Promise<SearchStep | undefined> {
    const { key } = trial.assignment;
    const known = this.#tried.get(key);
    if (known !== undefined) return known;
    const left = this.#maxEvaluations - this.tracer.steps.length;
    if (left <= 0) return undefined;
    const step = await this.tracer.try(trial, left);
    this.#tried.set(key, step);
    const candidate = step.candidate ? this.tracer.candidates.at(-1) : undefined;
    if (candidate !== undefined && this.isBetter(candidate)) this.best = candidate;
    return step;
  }

  private isBetter(candidate: Candidate): boolean {
    const { best } = this;
    if (best === undefined) return true;
    const { goodness } = metricOf(this.tracer.limits.quality.metric);
    const gain = goodness(candidate.metric) - goodness(best.metric);
    const saved = best.bytes - candidate.bytes;
    return this.#objective === 'footprint'
      ? saved > 0 || (saved === 0 && gain > 0)
      : gain > 0 || (gain === 0 && saved > 0);
  }
}
