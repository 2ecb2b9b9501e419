import type { CalibratedCodes } from '../../quant/matrix-values.js';
import type { Task } from '../../tasks/task.js';
import type { Observables } from '../observe/observables.js';
import {
  ScorerPool,
  type ObserveRequest,
  type Pool,
  type PoolOpener,
  type PoolOptions,
  type PoolRequest,
  type PoolScores,
} from './scorer-pool.js';

/**
 * A pool that is opened when the first plan is scored, and may serve several tasks in turn: a run that
 * finds all it needs in the store loads no model, and the search and the held-out split share one set of
 * threads and weights.
 */
export class SharedPool {
  private pool: Promise<Pool> | undefined;
  private opened: Pool | undefined;
  private task: Task | undefined;
  /** Calls that come at once change the task one after another. */
  private turning: Promise<unknown> = Promise.resolve();

  /**
   * @param open by default a pool of this process's threads
   * @param codes made ready for a plan before any thread asks for them
   */
  constructor(
    private readonly options: PoolOptions,
    private readonly open?: PoolOpener,
    private readonly codes?: Pick<CalibratedCodes, 'prepare'>,
  ) {}

  /** Evaluations of one task that may be asked for at once, as far as is known: one before the first. */
  get inFlight(): number {
    return this.opened?.inFlight ?? 1;
  }

  /** Who is at work, where that is not this process. */
  get atWork(): string | undefined {
    return this.opened?.atWork || undefined;
  }

  /**
   * Scores a plan on a task; a change of task costs the streams kept for the last one. So many calls at a time as
   * {@link inFlight} says, all for one task.
   *
   * @throws as {@link ScorerPool.open} and {@link ScorerPool.score}.
   */
  async score(task: Task, request: PoolRequest): Promise<PoolScores> {
    await this.prepare(request);
    const pool = await this.turnedTo(task);
    return pool.score(request);
  }

  /**
   * Looks into the model under a plan.
   *
   * @returns undefined for a pool that does not, that of this process's threads among them.
   * @throws as {@link score}.
   */
  async observe(task: Task, request: ObserveRequest): Promise<Observables | undefined> {
    if (this.open === undefined) return undefined;
    await this.prepare(request);
    const pool = await this.turnedTo(task);
    return pool.observe?.(request);
  }

  /** Has the calibrated integers of a plan ready, where it has any. @throws as finding them. */
  async prepare({ plan, signal }: Pick<PoolRequest, 'plan' | 'signal'>): Promise<void> {
    await this.codes?.prepare(plan, signal ? { signal } : {});
  }

  private async turnedTo(task: Task): Promise<Pool> {
    this.pool ??= (this.open ?? ((options) => ScorerPool.open(options)))(this.options);
    const pool = await this.pool.catch((error: unknown) => {
      // What was not there may be there next time: a server, a worker.
      this.pool = undefined;
      throw error;
    });
    this.opened = pool;
    const turn = async (): Promise<void> => {
      if (this.task === task) return;
      await pool.useTask(task);
      this.task = task;
    };
    const mine = this.turning.then(turn, turn);
    this.turning = mine.catch(() => undefined);
    await mine;
    return pool;
  }

  /** Ends the threads, where there are any. */
  async close(): Promise<void> {
    const pool = await this.pool?.catch(() => undefined);
    await pool?.close();
    this.pool = undefined;
    this.opened = undefined;
    this.task = undefined;
  }
}
