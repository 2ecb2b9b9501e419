import type { CalibratedCodes } from '../../quant/matrix-values.js';
import type { Task } from '../../tasks/task.js';
import {
  ScorerPool,
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
  private task: Task | undefined;

  /**
   * @param open by default a pool of this process's threads
   * @param codes made ready for a plan before any thread asks for them
   */
  constructor(
    private readonly options: PoolOptions,
    private readonly open: PoolOpener = (options) => ScorerPool.open(options),
    private readonly codes?: Pick<CalibratedCodes, 'prepare'>,
  ) {}

  /**
   * Scores a plan on a task; a change of task costs the streams kept for the last one. One call at a time.
   *
   * @throws as {@link ScorerPool.open} and {@link ScorerPool.score}.
   */
  async score(task: Task, request: PoolRequest): Promise<PoolScores> {
    const { plan, signal } = request;
    await this.codes?.prepare(plan, signal ? { signal } : {});
    this.pool ??= this.open(this.options);
    const pool = await this.pool.catch((error: unknown) => {
      // What was not there may be there next time: a server, a worker.
      this.pool = undefined;
      throw error;
    });
    if (this.task !== task) {
      await pool.useTask(task);
      this.task = task;
    }
    return pool.score(request);
  }

  /** Ends the threads, where there are any. */
  async close(): Promise<void> {
    const pool = await this.pool?.catch(() => undefined);
    await pool?.close();
    this.pool = undefined;
    this.task = undefined;
  }
}
