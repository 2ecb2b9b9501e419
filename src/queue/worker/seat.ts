import { setTimeout as pause } from 'node:timers/promises';
import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { OBSERVABLES } from '../../experiment/observe/observables.js';
import { ModelError, QuantError, QueueError, toPlainError } from '../../util/errors.js';
import { checked, scoresToJson, toBase64 } from '../protocol/codec.js';
import {
  keys,
  LOCK_MS,
  MOST_LOST_WORKERS,
  OBSERVE,
  PREFIX,
  seatQueue,
  STALLED_MS,
} from '../protocol/keys.js';
import {
  observeJson,
  shareJson,
  type Answer,
  type CodesMessage,
  type SessionMessage,
  type ShareMessage,
} from '../protocol/messages.js';
import type { QueuePackages } from '../redis/connect.js';
import type { CodesFilesHere } from './handed-codes.js';
import type { SeatThread } from './seat-thread.js';
import { readBlob, type FindFile } from './session.js';
import { TallyMirror } from './tally-mirror.js';

/** The work of all seats of a worker so far. */
export interface SeatCounts {
  shares: number;
  seconds: number;
  tokens: number;
}

/** Time for the connection of a seat without work to close. */
const CLOSING_MS = 3000;

export interface SeatOptions {
  readonly packages: QueuePackages;
  readonly connection: object;
  readonly client: Redis;
  readonly session: SessionMessage;
  readonly seat: number;
  readonly worker: string;
  readonly thread: SeatThread;
  readonly find: FindFile;
  readonly counts: SeatCounts;
  readonly onTrouble: (error: Error) => void;
  /** The thread is of no use any more. */
  readonly onBroken: () => void;
}

/** Works off the queue of one seat, share by share, until it is left. */
export class Seat {
  private readonly worker: Worker;
  private tally: TallyMirror | undefined;
  private leaving = false;

  constructor(private readonly options: SeatOptions) {
    const { packages, connection, session, seat, onTrouble } = options;
    this.worker = new packages.bullmq.Worker(
      seatQueue(session.session, seat),
      (job, token) => this.work(job, token),
      {
        ...{ connection, prefix: PREFIX, concurrency: 1 },
        ...{ lockDuration: LOCK_MS, stalledInterval: STALLED_MS },
        maxStalledCount: MOST_LOST_WORKERS - 1,
      },
    );
    this.worker.on('error', onTrouble);
  }

  private async work(job: Job<unknown>, token: string | undefined): Promise<unknown> {
    const { UnrecoverableError, WaitingError } = this.options.packages.bullmq;
    let work;
    try {
      work = job.name === OBSERVE ? this.observation(job.data) : this.share(job.data);
    } catch (error) {
      // Trying again would not help.
      throw new UnrecoverableError(error instanceof Error ? error.message : String(error));
    }
    const { worker, session, counts } = this.options;
    const mine = { worker, canary: session.canary.expected };
    const started = performance.now();
    try {
      const found = await work();
      if (found === undefined) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      const seconds = (performance.now() - started) / 1000;
      counts.shares++;
      counts.seconds += seconds;
      return { ...found, ...mine, seconds };
    } catch (error) {
      // Of the model or the plan: the same wherever it is tried.
      if (!isOfTheWork(error)) {
        if (!(error instanceof QueueError || error instanceof WaitingError))
          this.options.onBroken();
        throw error;
      }
      // Paths of this machine are no business of the other's.
      return { kind: 'failed', ...mine, error: { ...toPlainError(error), stack: undefined } };
    }
  }

  /** @throws {QueueError} for what is not of this seat. */
  private requireOwn(job: Pick<ShareMessage, 'session' | 'seat'>): void {
    const { session, seat } = this.options;
    if (job.session === session.session && job.seat === seat) return;
    const [what, got] = ['a job of another seat', `${job.seat} of ${job.session}`];
    throw new QueueError({ what, where: 'share', got, expected: `${seat} of ${session.session}` });
  }

  /** @returns the scoring of a share, whose value is undefined where the seat is left before its end. */
  private share(data: unknown): () => Promise<object | undefined> {
    const { client, session, seat, thread, counts } = this.options;
    const share = checked(shareJson, data, 'share');
    this.requireOwn(share);
    const { evaluation, task, plan, batches, question } = share;
    return async () => {
      const tally = new TallyMirror(client, keys.tally(session.session, evaluation), String(seat));
      this.tally = tally;
      tally.begin();
      try {
        const request = { plan, batches, tally: tally.tally.buffer, ...(question && { question }) };
        const text = (): Promise<string> => readBlob(client, task);
        const files = await this.filesOf(share.codes);
        const { scores, work } = await thread.score(task, text, request, files);
        if (this.leaving && scores.length < batches.length) return undefined;
        counts.tokens += tally.tokens;
        return { kind: 'scored', scores: scoresToJson(scores), work } satisfies Scored;
      } finally {
        tally.end();
        this.tally = undefined;
      }
    };
  }

  /** Paths of calibrated integers, by scheme. Where they do not come, another worker shall have the seat. */
  private async filesOf(codes: readonly CodesMessage[] = []): Promise<CodesFilesHere> {
    const { find, session, onBroken } = this.options;
    const found: Record<string, string> = {};
    try {
      for (const { scheme, ...wanted } of codes) found[scheme] = (await find(wanted, session)).path;
      return found;
    } catch (error) {
      onBroken();
      throw error;
    }
  }

  private observation(data: unknown): () => Promise<object> {
    const { client, thread } = this.options;
    const job = checked(observeJson, data, 'observation');
    this.requireOwn(job);
    const { task, plan, limits } = job;
    return async () => {
      const text = (): Promise<string> => readBlob(client, task);
      const files = await this.filesOf(job.codes);
      const found = await thread.observe(task, text, { plan, limits }, files);
      const values = OBSERVABLES.flatMap((name) => found[name] ?? []);
      return { kind: 'observed', values: toBase64(Float64Array.from(values)) } satisfies Observed;
    };
  }

  /**
   * Lets the share under way stop after its batch, gives it back, and takes no more. A connection that does not close
   * is cut: one that is closed while its server is away may never say so, and the seat would be kept from everyone.
   */
  async leave(): Promise<void> {
    this.leaving = true;
    this.tally?.tally.stop();
    const closed = this.worker.close().catch(this.options.onTrouble);
    const isClosed = closed.then(() => true);
    // A batch takes as long as it takes.
    do if (await Promise.race([isClosed, pause(CLOSING_MS, false)])) return;
    while (this.tally !== undefined);
    void this.worker.disconnect().catch(this.options.onTrouble);
  }
}

/** Answers once their numbers have become text. */
type Scored = Pick<Extract<Answer, { kind: 'scored' }>, 'kind' | 'work'> & { scores: object[] };
type Observed = Pick<Extract<Answer, { kind: 'observed' }>, 'kind'> & { values: string };

function isOfTheWork(error: unknown): boolean {
  return error instanceof ModelError || error instanceof QuantError;
}
