import { planId, type ResolvedPlan } from '../../quant/plan.js';
import type { MetricLimit } from '../../search/constraints.js';
import type { ExactEvaluation } from '../../search/evaluation.js';
import type { Anchor } from '../../search/ladder/anchors.js';
import { decideOnRung, itemLosses, type RungVerdict } from '../../search/ladder/decide.js';
import type { RungDecision } from '../../search/ladder/rungs.js';
import type { Answer, MeasurementKey, MeasurementStore } from '../../store/index.js';
import { scoresWithin } from '../../tasks/groups.js';
import { metricOf, type Measurement } from '../../tasks/metrics/metrics.js';
import type { BatchScores, Task } from '../../tasks/task.js';
import { ModelError } from '../../util/errors.js';
import type { RunOptions } from '../../util/progress.js';
import { BROKEN } from './questions.js';
import type { SampledTask } from './sampled-task.js';
import type { TaskScoring } from './task-scoring.js';

/** Samples, and the level of their decisions. */
export interface LadderParts {
  readonly sampled: SampledTask;
  /** Rungs that may be used, the last of them the largest. */
  readonly rungs: number;
  /** Probability of a wrong clear decision, at most, for each plan. */
  readonly level: number;
}

/** Parts of an evaluator, lent to a ladder. */
export interface LadderPlace {
  readonly scoring: TaskScoring;
  readonly contextLength: number;
  /** Undefined where nothing is remembered. */
  readonly store: MeasurementStore | undefined;
  keyOf(plan: ResolvedPlan, task?: Task): MeasurementKey;
  /** Told of a plan that was answered without scoring anything. */
  onRemembered(): void;
}

/**
 * Scores plans on growing samples of a task. What a rung adds to the one before is a measurement of its own in
 * the store, under the id of its items, so that a search that goes on finds it, and so does one with other
 * limits; a plan that went through all rungs is measured, and no item was scored twice.
 */
export class Ladder {
  /** Ids of plans of which a rung was scored: the others' answers were all in the store. */
  private readonly scored = new Set<string>();

  constructor(
    private readonly parts: LadderParts,
    private readonly place: LadderPlace,
  ) {}

  /**
   * Climbs until a plan's side of a limit is clear, or there is no larger rung.
   *
   * @param anchor measured on all items: what the plan is held beside.
   * @returns undefined where all items were scored: {@link measure} has the answer, and scores nothing again.
   * @throws {ModelError} for outputs that are not finite.
   */
  async climb(
    plan: ResolvedPlan,
    bytes: number,
    { measurement: anchor, share }: Pick<Anchor, 'measurement' | 'share'>,
    limit: MetricLimit,
    run: RunOptions,
  ): Promise<RungVerdict | undefined> {
    const { sampled, rungs } = this.parts;
    const level = share * this.parts.level;
    const [items, values]: [number[], number[]] = [[], []];
    for (let rung = 0; rung < rungs; rung++) {
      items.push(...sampled.groups[rung].items);
      values.push(...(await this.valuesOf(plan, bytes, rung, run)));
      if (items.length === sampled.task.items) break;
      const found = decideOnRung(anchor, { items, values }, limit, level, rung === rungs - 1);
      if (found === undefined) continue;
      if (this.isScored(plan)) this.place.scoring.stopped++;
      else this.place.onRemembered();
      return found;
    }
    return undefined;
  }

  /** The metric as a rung has it, with the ends of what it does not rule out at `level` a side. */
  async estimate(
    plan: ResolvedPlan,
    bytes: number,
    baseline: Measurement,
    level: number,
    run: RunOptions,
  ): Promise<RungDecision> {
    const items = this.parts.sampled.groups[0].items;
    const values = await this.valuesOf(plan, bytes, 0, run);
    const open = { metric: baseline.metric, baseline: baseline.value, allowedLoss: Infinity };
    return decideOnRung(baseline, { items, values }, open, level, true)!.rung;
  }

  /** Measures a plan on all items: what no rung has yet is scored. */
  async measure(plan: ResolvedPlan, bytes: number, run: RunOptions): Promise<Measurement> {
    const started = performance.now();
    const { sampled } = this.parts;
    const scores: BatchScores[] = [];
    for (const [index, { items }] of sampled.groups.entries()) {
      const values = await this.valuesOf(plan, bytes, index, run);
      scores.push({ indices: Int32Array.from(items), values: Float64Array.from(values) });
    }
    if (this.isScored(plan)) this.place.scoring.measured++;
    else this.place.onRemembered();
    const seconds = (performance.now() - started) / 1000;
    return sampled.task.measure(scores, this.place.contextLength, seconds);
  }

  private isScored(plan: ResolvedPlan): boolean {
    return this.scored.has(planId(plan));
  }

  /** Scores of what a rung adds, in the order of its items. */
  private async valuesOf(
    plan: ResolvedPlan,
    bytes: number,
    index: number,
    run: RunOptions,
  ): Promise<readonly number[]> {
    const { place } = this;
    const { store } = place;
    const { items, task } = this.parts.sampled.groups[index];
    const whole = store?.get(place.keyOf(plan))?.measurement;
    if (whole !== undefined) {
      const all = itemLosses(whole).values(whole);
      return items.map((item) => all[item]);
    }
    const ask = (): Promise<Answer> => this.score(plan, bytes, index, run);
    const { signal } = run;
    const answer = await (store?.getOrAnswer(place.keyOf(plan, task), [BROKEN], ask, { signal }) ??
      ask());
    if ('verdict' in answer)
      throw new ModelError({
        what: 'outputs are not finite',
        where: `${items.length} items of ${task.source}`,
        expected: 'numbers',
      });
    return metricOf(answer.measurement.metric).byItem!.values(answer.measurement);
  }

  private async score(
    plan: ResolvedPlan,
    bytes: number,
    index: number,
    run: RunOptions,
  ): Promise<Answer> {
    const { sampled } = this.parts;
    const { items, batches, task } = sampled.groups[index];
    this.scored.add(planId(plan));
    const started = performance.now();
    try {
      const scores = await this.place.scoring.scoreBatches(plan, sampled.task, batches, run);
      const seconds = (performance.now() - started) / 1000;
      const own = scoresWithin(scores, items);
      return { measurement: task.measure(own, this.place.contextLength, seconds), bytes };
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      return { verdict: { passes: false, bound: NaN }, limit: null };
    }
  }
}

/** The last rung of a ladder that ends with all items. */
export function wholeRung({ metric }: ExactEvaluation, items: number): RungDecision {
  const known = { estimate: metric, low: metric, high: metric };
  return { items, of: items, level: 0, error: 0, ...known, clear: true };
}
