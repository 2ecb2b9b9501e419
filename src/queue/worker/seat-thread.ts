import { extname, join } from 'node:path';
import Piscina from 'piscina';
import type { Observables } from '../../experiment/observe/observables.js';
import type { ObservedLimits } from '../../experiment/observe/observed-items.js';
import type { ScoreReply, ScoreRequest, ScorerOptions } from '../../experiment/scoring/scorer.js';
import { familyModules } from '../../model/families.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import { fromPlainError } from '../../util/errors.js';
import type { CodesFilesHere } from './handed-codes.js';
import type { ThreadReply, ThreadRequest } from './thread.js';

/**
 * A thread with one model. Scoring never runs where the connection lives: a loop that is busy for longer than a
 * lock lasts would lose its jobs.
 */
export class SeatThread {
  private readonly pool = new Piscina({
    filename: join(__dirname, `thread${extname(__filename)}`),
    minThreads: 1,
    maxThreads: 1,
    idleTimeout: Infinity,
  });
  /** SHA-256 of the task that it has. */
  private task: string | undefined;
  /** Requests that depend on the task wait for each other: seats may share the thread. */
  private last: Promise<unknown> = Promise.resolve();

  /** Starts the backend and loads the model. */
  static async open(options: ScorerOptions): Promise<SeatThread> {
    const thread = new SeatThread();
    try {
      await thread.ask({ kind: 'open', options, families: familyModules() });
      return thread;
    } catch (error) {
      await thread.close();
      throw error;
    }
  }

  /**
   * Scores with a task.
   *
   * @param textOf gets the task's text where the thread has another one
   * @param codes of the calibrated schemes of the plan
   * @throws as `Scorer.score`; {QueueError} for a task or batches that make no sense.
   */
  score(
    task: string,
    textOf: () => Promise<string>,
    request: ScoreRequest,
    codes: CodesFilesHere,
  ): Promise<ScoreReply> {
    return this.inTurn(async () => {
      await this.use(task, textOf);
      const answer = await this.ask({ kind: 'score', request, codes });
      if (answer.kind !== 'scored') throw new Error(`unexpected answer: ${answer.kind}`);
      return answer.reply;
    });
  }

  /** Looks into the model under a plan, on the first items of a task. @throws as {@link score}. */
  observe(
    task: string,
    textOf: () => Promise<string>,
    request: { readonly plan: ResolvedPlan; readonly limits: ObservedLimits },
    codes: CodesFilesHere,
  ): Promise<Observables> {
    return this.inTurn(async () => {
      await this.use(task, textOf);
      const answer = await this.ask({ kind: 'observe', ...request, codes });
      if (answer.kind !== 'observed') throw new Error(`unexpected answer: ${answer.kind}`);
      return answer.observables;
    });
  }

  /** The bits of a canary. */
  canary(
    task: string,
    textOf: () => Promise<string>,
    batch: number,
    plans: readonly ResolvedPlan[],
  ): Promise<string> {
    return this.inTurn(async () => {
      await this.use(task, textOf);
      const answer = await this.ask({ kind: 'canary', batch, plans });
      if (answer.kind !== 'canary') throw new Error(`unexpected answer: ${answer.kind}`);
      return answer.bits;
    });
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.last.then(work, work);
    this.last = mine.catch(() => undefined);
    return mine;
  }

  private async use(task: string, textOf: () => Promise<string>): Promise<void> {
    if (this.task === task) return;
    const text = await textOf();
    this.task = undefined;
    await this.ask({ kind: 'task', text });
    this.task = task;
  }

  private async ask(message: ThreadRequest): Promise<ThreadReply> {
    const answer = (await this.pool.run(message)) as ThreadReply;
    if (answer.kind === 'failed') throw fromPlainError(answer.error);
    return answer;
  }

  /** Ends the thread, whatever it is at. */
  close(): Promise<void> {
    return this.pool.destroy();
  }
}
