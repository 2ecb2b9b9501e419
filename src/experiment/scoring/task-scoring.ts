import { addWork, noWork, type Work } from '../../model/work.js';
import { isUnquantized, type ResolvedPlan } from '../../quant/plan.js';
import type { VerdictEvaluation } from '../../search/evaluation.js';
import type { Tally } from '../../tasks/metrics/metric.js';
import type { Measurement } from '../../tasks/metrics/metrics.js';
import type { BatchScores, Task } from '../../tasks/task.js';
import type { RunOptions } from '../../util/progress.js';
import type { SharedPool } from './shared-pool.js';
import { certainVerdict, type Asked } from './verdict.js';

/** The cost of scoring plans on a task so far. */
export interface ScoringReport {
  readonly work: Work;
  /** Work of one evaluation of the whole task. */
  readonly fullWork: number;
  /** Plans measured to the end, and stopped on a certain verdict. */
  readonly measured: number;
  readonly stopped: number;
  /** Tokens scored, padding not counted. */
  readonly tokens: number;
}

/** Scores plans on one task, to the end or until a verdict is certain. Remembers nothing of them. */
export class TaskScoring {
  private readonly work = noWork();
  private fullWork = 0;
  measured = 0;
  stopped = 0;
  private tokens = 0;
  private task: Task;
  private baselineScores: readonly BatchScores[] = [];

  constructor(
    private readonly original: Task,
    private readonly contextLength: number,
    private readonly pool: SharedPool,
  ) {
    this.task = original;
  }

  /** The cost so far. */
  report(): ScoringReport {
    const { work, fullWork, measured, stopped, tokens } = this;
    return { work, fullWork, measured, stopped, tokens };
  }

  /** Scores a plan. @throws {ModelError} for outputs that are not finite. {AbortedError} between batches. */
  async score(
    plan: ResolvedPlan,
    asked: Asked | undefined,
    { signal, onProgress }: RunOptions,
  ): Promise<Measurement | VerdictEvaluation> {
    const { task } = this;
    // Calibrating is no part of an evaluation, and would make its plan look slow.
    await this.pool.prepare({ plan, signal });
    const started = performance.now();
    const question = asked && { ...asked, items: task.items, tokens: task.tokens };
    const tell = (done: number, note?: string): void =>
      onProgress?.({
        ...{ phase: 'evaluate', done, total: task.tokens, unit: 'tokens' },
        ...(note !== undefined && { note }),
      });
    const request = { plan, question, signal, onTokens: onProgress && tell };
    const { scores, work } = await this.pool.score(task, request);
    addWork(this.work, work);
    this.fullWork = work.done + work.savedByPrefix + work.savedByExit + work.savedByVerdict;
    this.tokens += tokensOf(scores, task);
    const tally = tallyOf(scores);
    if (tally.items < task.items) {
      this.stopped++;
      const verdict = certainVerdict(question!, tally);
      if (verdict === undefined) throw new Error('scoring stopped before the verdict was certain');
      return verdict;
    }
    this.measured++;
    if (isUnquantized(plan)) this.baselineScores = scores;
    const seconds = (performance.now() - started) / 1000;
    return task.measure(scores, this.contextLength, seconds);
  }

  /**
   * Scores some batches of a form of the task, all of them.
   *
   * @param task the whole in other batches.
   * @param batches by index.
   */
  async scoreBatches(
    plan: ResolvedPlan,
    task: Task,
    batches: readonly number[],
    { signal, onProgress }: RunOptions,
  ): Promise<readonly BatchScores[]> {
    const tokens = batches.reduce((sum, index) => sum + batchTokens(task, index), 0);
    const tell = (done: number, note?: string): void =>
      onProgress?.({
        ...{ phase: 'evaluate', done, total: tokens, unit: 'tokens' },
        ...(note !== undefined && { note }),
      });
    const request = { plan, batches, signal, onTokens: onProgress && tell };
    const { scores, work } = await this.pool.score(task, request);
    addWork(this.work, work);
    this.tokens += tokens;
    const share = tokens / task.tokens;
    this.fullWork = (work.done + work.savedByPrefix + work.savedByExit) / share;
    return scores;
  }

  /** Scores batches by themselves and forgets them: no part of any report. @returns their tokens. */
  async probe(
    plan: ResolvedPlan,
    batches: readonly number[],
    { signal }: RunOptions,
  ): Promise<number> {
    const { task } = this;
    await this.pool.score(task, { plan, batches, signal, alone: true });
    return batches.reduce((sum, index) => sum + batchTokens(task, index), 0);
  }

  /** Puts the items that settle verdicts soonest first, now that the unquantized model has been seen. */
  arrange(baseline: Measurement): void {
    if (this.task === this.original)
      this.task = this.original.arrangedByRisk(baseline, this.baselineScores);
  }
}

function batchTokens({ batches, itemTokens }: Task, index: number): number {
  return batches[index].indices.reduce((sum, item) => sum + itemTokens[item], 0);
}

function tokensOf(scores: readonly BatchScores[], { itemTokens }: Task): number {
  const of = ({ indices }: BatchScores): number =>
    indices.reduce((sum, item) => sum + itemTokens[item], 0);
  return scores.reduce((sum, each) => sum + of(each), 0);
}

function tallyOf(scores: readonly BatchScores[]): Tally {
  let [items, sum] = [0, 0];
  for (const { values } of scores) {
    items += values.length;
    sum += values.reduce((total, value) => total + value, 0);
  }
  return { items, sum };
}
