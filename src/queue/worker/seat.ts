import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { ModelError, QuantError, QueueError, toPlainError } from '../../util/errors.js';
import { checked, scoresToJson } from '../protocol/codec.js';
import {
  keys,
  LOCK_MS,
  MOST_LOST_WORKERS,
  PREFIX,
  seatQueue,
  STALLED_MS,
} from '../protocol/keys.js';
import { shareJson, type Answer, type SessionMessage } from '../protocol/messages.js';
import type { QueuePackages } from '../redis/connect.js';
import type { SeatThread } from './seat-thread.js';
import { readBlob } from './session.js';
import { TallyMirror } from './tally-mirror.js';

/** The work of all seats of a worker so far. */
export interface SeatCounts {
  shares: number;
  seconds: number;
  tokens: number;
}

export interface SeatOptions {
  readonly packages: QueuePackages;
  readonly connection: object;
  readonly client: Redis;
  readonly session: SessionMessage;
  readonly seat: number;
  readonly worker: string;
  readonly thread: SeatThread;
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
      (job, token) => this.share(job, token),
      {
        ...{ connection, prefix: PREFIX, concurrency: 1 },
        ...{ lockDuration: LOCK_MS, stalledInterval: STALLED_MS },
        maxStalledCount: MOST_LOST_WORKERS - 1,
      },
    );
    this.worker.on('error', onTrouble);
  }

  private async share(job: Job<unknown>, token: string | undefined): Promise<unknown> {
    const { packages, client, session, seat, worker, thread, counts } = this.options;
    const { UnrecoverableError, WaitingError } = packages.bullmq;
    let share;
    try {
      share = checked(shareJson, job.data, 'share');
      if (share.session !== session.session || share.seat !== seat)
        throw new Error('a share of another seat');
    } catch (error) {
      // Trying again would not help.
      throw new UnrecoverableError(error instanceof Error ? error.message : String(error));
    }
    const { evaluation, task, plan, batches, question } = share;
    const tally = new TallyMirror(client, keys.tally(session.session, evaluation), String(seat));
    this.tally = tally;
    const started = performance.now();
    tally.begin();
    const mine = { worker, canary: session.canary.expected };
    try {
      const request = { plan, batches, tally: tally.tally.buffer, ...(question && { question }) };
      const text = (): Promise<string> => readBlob(client, task);
      const { scores, work } = await thread.score(task, text, request);
      if (this.leaving && scores.length < batches.length) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      const seconds = (performance.now() - started) / 1000;
      counts.shares++;
      counts.seconds += seconds;
      counts.tokens += tally.tokens;
      const found = { scores: scoresToJson(scores), work };
      return { kind: 'scored', ...mine, seconds, ...found } satisfies Sent;
    } catch (error) {
      // Of the model or the plan: the same wherever it is tried.
      if (!isOfTheWork(error)) {
        if (!(error instanceof QueueError || error instanceof WaitingError))
          this.options.onBroken();
        throw error;
      }
      // Paths of this machine are no business of the other's.
      return { kind: 'failed', ...mine, error: { ...toPlainError(error), stack: undefined } };
    } finally {
      tally.end();
      this.tally = undefined;
    }
  }

  /**
   * Lets the share under way stop after its batch, gives it back, and takes no more.
   *
   * @param force does not wait for it: the connection or the thread is gone
   */
  async leave(force = false): Promise<void> {
    this.leaving = true;
    this.tally?.tally.stop();
    await this.worker.close(force).catch(this.options.onTrouble);
  }
}

/** An answer before its numbers have become text. */
type Sent = Omit<Extract<Answer, { kind: 'scored' }>, 'scores'> & { readonly scores: object[] };

function isOfTheWork(error: unknown): boolean {
  return error instanceof ModelError || error instanceof QuantError;
}
