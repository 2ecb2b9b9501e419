import { extname, join } from 'node:path';
import Piscina from 'piscina';
import { familyModules } from '../../model/families.js';
import { addWork, noWork, type Work } from '../../model/work.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import type { BatchScores, Task, TaskParts } from '../../tasks/task.js';
import { fromPlainError, throwIfAborted } from '../../util/errors.js';
import type { Observables } from '../observe/observables.js';
import type { ObservedLimits } from '../observe/observed-items.js';
import { Scorer, type ScoreReply, type ScoreRequest, type ScorerOptions } from './scorer.js';
import { SharedTally, type VerdictQuestion } from './verdict.js';
import type { WorkerReply, WorkerRequest } from './worker.js';

/** One place where batches are scored: a worker thread, or this one. */
interface ScoringPlace {
  useTask(parts: TaskParts): Promise<void>;
  score(request: ScoreRequest): Promise<ScoreReply>;
  close(): Promise<void>;
}

export interface PoolOptions extends ScorerOptions {
  /** Worker threads; 0 runs in this thread. Each holds the model's weights. */
  readonly workers: number;
  /** SHA-256 of the checkpoint, for places that find it by its content. */
  readonly checkpointHash?: string;
}

/** Places that score the batches of a task between them: threads of this process, or other machines. */
export interface Pool {
  /** Deals the batches of another task, or of another arrangement of one. */
  useTask(task: Task): Promise<void>;
  /** Scores a plan on the task, all batches or until the question is settled. */
  score(request: PoolRequest): Promise<PoolScores>;
  /** Evaluations that may be asked for at once; one by default. */
  readonly inFlight?: number;
  /** Who is at work, in words, where that is not this process: "2 workers, 2 of 2 seats". */
  readonly atWork?: string;
  /** Looks into the model under a plan, on the first items of the task; absent where only scoring is done. */
  observe?(request: ObserveRequest): Promise<Observables>;
  /** Gives the places back. */
  close(): Promise<void>;
}

/** A plan that is looked into beside its scores. */
export interface ObserveRequest {
  readonly plan: ResolvedPlan;
  /** The most of the task that is looked at. */
  readonly limits: ObservedLimits;
  readonly signal?: AbortSignal | undefined;
}

/** Opens a pool other than that of this process's threads. */
export type PoolOpener = (options: PoolOptions) => Promise<Pool>;

export interface PoolScores {
  /** In no particular order; of fewer than all items where the verdict was certain before. */
  readonly scores: readonly BatchScores[];
  readonly work: Work;
}

export interface PoolRequest {
  readonly plan: ResolvedPlan;
  readonly question?: VerdictQuestion | undefined;
  /** Batches to score, by index; all by default. */
  readonly batches?: readonly number[] | undefined;
  /** As in {@link ScoreRequest}. */
  readonly alone?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with the tokens of the items scored so far, and with who is at work where that may change. */
  readonly onTokens?: ((tokens: number, note?: string) => void) | undefined;
}

/** Time between two looks at the shared tally for progress. */
const PROGRESS_MS = 200;

/**
 * Scores plans on several threads. A batch always goes to the same thread, which has its streams; batches
 * are dealt out in turn, so that all threads begin with those that come first.
 */
export class ScorerPool implements Pool {
  private shares: number[][] = [];

  private constructor(private readonly places: readonly ScoringPlace[]) {}

  /** Starts the threads, each with a model of its own. */
  static async open({ workers, ...options }: PoolOptions): Promise<ScorerPool> {
    if (workers === 0) return new ScorerPool([placeInThisThread(await Scorer.open(options))]);
    const share = { ...options.reuse, budgetBytes: options.reuse.budgetBytes / workers };
    const places = Array.from({ length: workers }, () => placeInAThread());
    try {
      await Promise.all(places.map((place) => place.open({ ...options, reuse: share })));
    } catch (error) {
      await Promise.all(places.map((place) => place.close()));
      throw error;
    }
    return new ScorerPool(places);
  }

  /** Deals the batches of another task, or of another arrangement of one. */
  async useTask(task: Task): Promise<void> {
    const tokens = task.batches.map(({ inputs }) => inputs.ids.length);
    this.shares = dealBatches(tokens, this.places.length);
    await Promise.all(this.places.map((place) => place.useTask(task.parts)));
  }

  /**
   * Scores a plan on the task, all batches or until the question is settled.
   *
   * @throws {AbortedError} once the signal has fired, after the batches under way.
   * @throws {ModelError} {CheckpointError} {QuantError} as the scoring does.
   */
  async score({
    plan,
    question,
    batches,
    alone,
    signal,
    onTokens,
  }: PoolRequest): Promise<PoolScores> {
    const tally = new SharedTally();
    const wanted = batches && new Set(batches);
    const shares = wanted
      ? this.shares.map((share) => share.filter((batch) => wanted.has(batch)))
      : this.shares;
    const stop = (): void => {
      tally.stop();
    };
    throwIfAborted(signal, 'evaluation');
    signal?.addEventListener('abort', stop);
    const timer =
      onTokens &&
      setInterval(() => {
        onTokens(tally.tokens);
      }, PROGRESS_MS);
    try {
      const common = { plan, tally: tally.buffer, ...(question && { question }) };
      const request = { ...common, ...(alone && { alone }) };
      const replies = await this.allSettled(
        (place, index) => place.score({ ...request, batches: shares[index] }),
        stop,
      );
      throwIfAborted(signal, 'evaluation');
      const work = noWork();
      for (const reply of replies) addWork(work, reply.work);
      return { scores: replies.flatMap((reply) => reply.scores), work };
    } finally {
      clearInterval(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Waits for every place, also when one fails: the next request must find them all idle. */
  private async allSettled<T>(
    ask: (place: ScoringPlace, index: number) => Promise<T>,
    onFailure: () => void,
  ): Promise<T[]> {
    const answers = await Promise.allSettled(
      this.places.map(async (place, index) => {
        try {
          return await ask(place, index);
        } catch (error) {
          onFailure();
          throw error;
        }
      }),
    );
    return answers.map((answer) => {
      if (answer.status === 'rejected') throw answer.reason;
      return answer.value;
    });
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.places.map((place) => place.close()));
  }
}

/**
 * Deals batches out in their order, each to the place with the least to do.
 *
 * @param tokens of each batch
 * @returns of each place the batches by index, ascending
 */
export function dealBatches(tokens: readonly number[], places: number): number[][] {
  const shares = Array.from({ length: places }, (): number[] => []);
  const loads = shares.map(() => 0);
  tokens.forEach((size, index) => {
    const place = loads.indexOf(Math.min(...loads));
    shares[place].push(index);
    loads[place] += size;
  });
  return shares;
}

function placeInThisThread(scorer: Scorer): ScoringPlace {
  return {
    useTask: (parts) => {
      scorer.useTask(parts);
      return Promise.resolve();
    },
    score: (request) => scorer.score(request),
    close: () => scorer.close(),
  };
}

/** A pool of exactly one thread: requests go to the thread that holds the state. */
function placeInAThread(): ScoringPlace & { open(options: ScorerOptions): Promise<void> } {
  const pool = new Piscina({
    filename: join(__dirname, `worker${extname(__filename)}`),
    minThreads: 1,
    maxThreads: 1,
    idleTimeout: Infinity,
  });
  const ask = async (message: WorkerRequest): Promise<ScoreReply | undefined> => {
    const answer = (await pool.run(message)) as WorkerReply;
    if (answer.kind === 'failed') throw fromPlainError(answer.error);
    return answer.reply;
  };
  return {
    open: async (options) => {
      await ask({ kind: 'open', options, families: familyModules() });
    },
    useTask: async (parts) => {
      await ask({ kind: 'task', parts });
    },
    score: async (request) => (await ask({ kind: 'score', request }))!,
    close: () => pool.destroy(),
  };
}
