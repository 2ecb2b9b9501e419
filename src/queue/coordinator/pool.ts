import { randomBytes } from 'node:crypto';
import { OBSERVABLES, type Observables } from '../../experiment/observe/observables.js';
import {
  dealBatches,
  type ObserveRequest,
  type Pool,
  type PoolOptions,
  type PoolRequest,
  type PoolScores,
} from '../../experiment/scoring/scorer-pool.js';
import { addWork, noWork } from '../../model/work.js';
import type { Task } from '../../tasks/task.js';
import { throwIfAborted } from '../../util/errors.js';
import { formatCounted } from '../../util/format.js';
import { sha256 } from '../../util/hash.js';
import type { FileServer } from '../files/file-server.js';
import { keys, SESSION_SECONDS, STOP_FIELD } from '../protocol/keys.js';
import { taskToText } from '../protocol/task-text.js';
import { cellsOf } from '../worker/tally-mirror.js';
import { Answers } from './answers.js';
import { CodesFiles } from './codes.js';
import type { Link } from './link.js';
import { Seats } from './seats.js';
import { Session } from './session.js';
import { Shares, type Evaluation } from './shares.js';
import { refusalOfAll, waitForThreads } from './wait-for-threads.js';

/** Pause between two looks at tallies, for progress. */
const PROGRESS_MS = 500;
const LEAST_IN_FLIGHT = 2;
/** A text stays for as long as evaluations may need it again; each one asks for it anew. */
const BLOB_SECONDS = 24 * 3600;

export interface QueuePoolOptions {
  readonly link: Link;
  /** Seats; by default as many as workers have threads, and more when there are more. */
  readonly seats: number | undefined;
  readonly tell: (text: string) => void;
  /** Where the checkpoint is handed out, if it is. */
  readonly files?: FileServer | undefined;
}

/**
 * Scores plans on the workers of a queue: what `ScorerPool` does with threads. A batch always goes to the same
 * seat, and a seat stays with its worker, which has the streams.
 */
export class QueuePool implements Pool {
  private readonly id = randomBytes(6).toString('hex');
  private readonly answers = new Answers();
  private session: Session | undefined;
  private seats: Seats | undefined;
  private shares: Shares | undefined;
  private task: { readonly task: Task; readonly hash: string; readonly text: string } | undefined;
  /** The first task: every worker that joins scores a batch of it. */
  private canaryTask: { readonly hash: string; readonly text: string } | undefined;
  private readonly codes: CodesFiles;
  private dealt: number[][] = [];
  private evaluations = 0;
  /** Evaluations that begin at once open one session. */
  private seating: Promise<unknown> = Promise.resolve();
  /** Workers and seats, in words. */
  atWork = '';

  constructor(
    private readonly options: PoolOptions,
    private readonly queue: QueuePoolOptions,
  ) {
    this.codes = new CodesFiles(options.calibration, queue.files);
  }

  async useTask(task: Task): Promise<void> {
    const text = taskToText(task);
    this.task = { task, text, hash: sha256(text) };
    this.deal();
    await this.keepTask();
  }

  private deal(): void {
    const { batches } = this.task!.task;
    const tokens = batches.map(({ inputs }) => inputs.ids.length);
    const count = this.seats?.count ?? 0;
    this.dealt = count === 0 ? [] : dealBatches(tokens, count);
  }

  /** Puts the text of the task, and that of the canary's, where workers find them. */
  private async keepTask(): Promise<void> {
    const { client } = this.queue.link;
    const { hash, text } = this.task!;
    this.canaryTask ??= { hash, text };
    await client.set(keys.blob(hash), text, 'EX', BLOB_SECONDS);
    const first = this.canaryTask;
    if (first.hash !== hash)
      await client.set(keys.blob(first.hash), first.text, 'EX', BLOB_SECONDS);
  }

  async score(request: PoolRequest): Promise<PoolScores> {
    const { signal } = request;
    throwIfAborted(signal, 'evaluation');
    await this.seat(request);
    const evaluation = this.evaluations++;
    const { client } = this.queue.link;
    const tally = keys.tally(this.id, evaluation);
    const stop = (): void => {
      void client.multi().hset(tally, STOP_FIELD, '1').expire(tally, 3600).exec();
    };
    signal?.addEventListener('abort', stop);
    const timer = this.tellProgress(tally, request);
    try {
      const wanted = request.batches && new Set(request.batches);
      const shares = this.dealt
        .map((share) => (wanted ? share.filter((batch) => wanted.has(batch)) : share))
        .map((batches, seat) => ({ seat, batches }))
        .filter(({ batches }) => batches.length > 0);
      const asked: Evaluation = {
        evaluation,
        plan: request.plan,
        codes: await this.codes.of(request.plan),
        task: this.task!.task,
        hash: this.task!.hash,
        question: request.question,
        isStopped: async () =>
          signal?.aborted === true || (await client.hexists(tally, STOP_FIELD)) === 1,
        stop,
        repair: () => this.repair(),
        settled: (seat, cells) => {
          void client.hset(tally, String(seat), cells.join(' '));
        },
      };
      const replies = await this.shares!.score(asked, shares);
      // By now all are there that there are; later it is looked at now and then.
      if (evaluation === 0) await this.lookAtSeats();
      throwIfAborted(signal, 'evaluation');
      const work = noWork();
      for (const reply of replies) addWork(work, reply.work);
      return { scores: replies.flatMap(({ scores }) => scores), work };
    } finally {
      clearInterval(timer);
      signal?.removeEventListener('abort', stop);
      void client.del(tally);
    }
  }

  /** A session, and a seat for every thread that there is. */
  private seat(asked: Pick<PoolRequest, 'signal' | 'onTokens'>): Promise<void> {
    const mine = this.seating.then(() => this.takeSeats(asked));
    this.seating = mine.catch(() => undefined);
    return mine;
  }

  private async takeSeats({
    signal,
    onTokens,
  }: Pick<PoolRequest, 'signal' | 'onTokens'>): Promise<void> {
    const { queue, options, answers } = this;
    const { link } = queue;
    if (this.session === undefined) {
      const { task, text, hash } = this.task!;
      const canary = { task: hash, text, of: task };
      const { id } = this;
      this.session = await Session.open(link, options, { id, canary, files: queue.files });
      const { arithmetic } = this.session.message;
      const seats = new Seats(link, id, arithmetic, answers);
      this.seats = seats;
      this.shares = new Shares(link, id, this.session.message.canary.expected, seats, answers);
      this.session.begin(async () => {
        const refusal = await refusalOfAll(link, id, arithmetic);
        if (refusal !== undefined) this.shares!.fail(refusal);
        const held = await this.lookAtSeats();
        // Whoever takes one needs the texts, and they may have been lost.
        if (held < seats.count) await this.keepTask();
        await seats.look();
        await this.shares!.look();
      });
    }
    const tell = (text: string): void => {
      this.atWork = text;
      onTokens?.(0, text);
    };
    const { arithmetic } = this.session.message;
    const there = { id: this.id, arithmetic, seats: this.seats!.count };
    const threads = await waitForThreads(link, there, tell, signal);
    const count = queue.seats ?? threads;
    if (count <= this.seats!.count) return;
    await this.seats!.grow(count);
    await this.session.seats(count);
    this.deal();
  }

  /** Two, so that no seat waits for the slowest one of an evaluation; a plan a seat, so that all look into models. */
  get inFlight(): number {
    return Math.max(LEAST_IN_FLIGHT, this.seats?.count ?? 0);
  }

  async observe({ plan, limits, signal }: ObserveRequest): Promise<Observables> {
    throwIfAborted(signal, 'observation');
    await this.seat({ signal });
    const evaluation = this.evaluations++;
    const { hash } = this.task!;
    const repair = (): Promise<void> => this.repair();
    const codes = await this.codes.of(plan);
    const values = await abandoned(
      this.shares!.observe({ evaluation, plan, codes, hash, limits, repair }),
      signal,
    );
    const pairs = OBSERVABLES.slice(0, values.length).map((name, index) => [name, values[index]]);
    return Object.fromEntries(pairs) as Observables;
  }

  /** @returns seats that somebody holds. */
  private async lookAtSeats(): Promise<number> {
    const { seats: held, workers } = await this.seats!.held();
    const all = formatCounted(this.seats!.count, 'seat');
    this.atWork = `${formatCounted(workers, 'worker')}, ${held} of ${all}`;
    return held;
  }

  private async repair(): Promise<void> {
    await this.keepTask();
    await this.session!.repair();
  }

  private tellProgress(tally: string, { onTokens }: PoolRequest): NodeJS.Timeout | undefined {
    if (onTokens === undefined) return undefined;
    const look = async (): Promise<void> => {
      const fields = await this.queue.link.client.hgetall(tally);
      const tokens = Object.values(fields).reduce((sum, text) => sum + cellsOf(text)[2], 0n);
      onTokens(Number(tokens), this.atWork === '' ? undefined : this.atWork);
    };
    return setInterval(() => void look().catch(() => undefined), PROGRESS_MS);
  }

  async close(): Promise<void> {
    await this.session?.close();
    await this.seats?.close();
    const { client } = this.queue.link;
    await client.del(keys.refused(this.id)).catch(() => 0);
    for (const text of [this.task, this.canaryTask])
      if (text !== undefined)
        await client.expire(keys.blob(text.hash), SESSION_SECONDS).catch(() => 0);
  }
}

/** Waits no longer once the signal fires; what is under way is then for nobody. */
async function abandoned<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  let stop!: () => void;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop);
  });
  try {
    work.catch(() => undefined);
    await Promise.race([work, stopped]);
    throwIfAborted(signal, 'observation');
    return await work;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
