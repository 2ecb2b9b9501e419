import { setTimeout as pause } from 'node:timers/promises';
import { fromPlainError, QueueError } from '../../util/errors.js';
import { sha256 } from '../../util/hash.js';
import { checked } from '../protocol/codec.js';
import { keys, MOST_LOST_WORKERS, SHARE_ATTEMPTS } from '../protocol/keys.js';
import { answerJson, type Answer } from '../protocol/messages.js';
import type { Answers, JobEnd } from './answers.js';
import type { Link } from './link.js';
import type { Seats } from './seats.js';

interface OpenJob {
  readonly name: string;
  readonly seat: number;
  readonly data: object;
}

/** A job, and how to have it done again. */
export interface Wanted extends OpenJob {
  /** For people. */
  readonly where: string;
  /** All that tells it from other jobs of the session. */
  readonly parts: readonly (string | number)[];
  readonly repair: () => Promise<void>;
}

/** An answer that is no failure. */
export type Done = Extract<Answer, { kind: 'scored' | 'observed' }>;

const PAUSE_MS = 250;
/** BullMQ's words for a job whose workers were lost too often. */
const LOST = /stalled more than allowable/;

/** The jobs that are out, and their answers. */
export class Jobs {
  private readonly open = new Map<string, OpenJob>();
  /** Reject what is waited for when nobody is left who could answer. */
  private readonly givingUp = new Set<(error: Error) => void>();

  constructor(
    private readonly link: Link,
    private readonly session: string,
    private readonly canary: string,
    private readonly seats: Seats,
    private readonly answers: Answers,
  ) {}

  /** Of a seat, by their name. */
  count(name: string, seat: number): number {
    return [...this.open.values()].filter((job) => job.name === name && job.seat === seat).length;
  }

  /** A rejection once nobody is left who could answer. */
  failure(): { readonly promise: Promise<never>; readonly over: () => void } {
    let mine!: (error: Error) => void;
    const promise = new Promise<never>((_resolve, reject) => {
      mine = reject;
    });
    promise.catch(() => undefined);
    this.givingUp.add(mine);
    return { promise, over: () => this.givingUp.delete(mine) };
  }

  /**
   * Has a job done, by whatever worker has its seat.
   *
   * @param read undefined for an answer to something else
   */
  async persist<T>(
    { parts, where, repair, ...job }: Wanted,
    failure: Promise<never>,
    read: (answer: Done) => T | undefined,
  ): Promise<T> {
    let reason = '';
    for (let attempt = 0; attempt < SHARE_ATTEMPTS; attempt++) {
      if (attempt > 0) {
        this.link.trouble(new Error(`${where} once more: ${reason}`));
        await pause(PAUSE_MS);
        await repair();
      }
      // The number of the evaluation is part of it: one that was stopped must not answer for a later one.
      const id = sha256([this.session, ...parts, attempt].join(' ')).slice(0, 32);
      const end = await this.answerTo(id, job, failure);
      const found = this.read(end, where, read);
      if ('reply' in found) return found.reply;
      reason = found.reason;
    }
    throw new QueueError({
      what: 'no worker gets a share of an evaluation done',
      ...{ where, got: reason, expected: 'scores' },
    });
  }

  private async answerTo(id: string, job: OpenJob, failure: Promise<never>): Promise<JobEnd> {
    const end = this.answers.of(id);
    this.open.set(id, job);
    try {
      await this.add(id, job);
      return await Promise.race([end, failure]);
    } finally {
      this.open.delete(id);
      this.answers.forget(id);
      void this.seats.queue(job.seat).remove(id).catch(this.link.trouble);
    }
  }

  private async add(jobId: string, { name, seat, data }: OpenJob): Promise<void> {
    await this.seats.queue(seat).add(name, data, { jobId, attempts: 1, stackTraceLimit: 0 });
  }

  private read<T>(
    end: JobEnd,
    where: string,
    reply: (answer: Done) => T | undefined,
  ): { readonly reply: T } | { readonly reason: string } {
    const { kind } = end;
    if (kind === 'failed') {
      if (!LOST.test(end.reason)) return { reason: end.reason };
      throw new QueueError({
        what: 'a share of an evaluation took its workers down',
        where,
        got: `${MOST_LOST_WORKERS} workers lost`,
        expected: 'less at a time: a smaller context, fewer threads a worker, more memory',
      });
    }
    let answer: Answer;
    try {
      answer = checked(answerJson, end.value, 'answer');
    } catch (error) {
      return { reason: (error as Error).message };
    }
    if (answer.canary !== this.canary) {
      void this.refuse(answer.worker);
      return { reason: `worker ${answer.worker} computes other bits` };
    }
    if (answer.kind === 'failed') throw fromPlainError(answer.error);
    const found = reply(answer);
    return found === undefined ? { reason: 'an answer to something else' } : { reply: found };
  }

  private async refuse(worker: string): Promise<void> {
    const text = 'its answers are of another canary';
    await this.link.client.hset(keys.refused(this.session), worker, text);
  }

  /** Looks for answers that were not heard, and sends again what the server has lost. */
  async look(): Promise<void> {
    const { Job } = this.link.packages.bullmq;
    for (const [id, job] of this.open) {
      const found = await Job.fromId(this.seats.queue(job.seat), id);
      if (!this.open.has(id)) continue;
      if (found === undefined) await this.add(id, job);
      else if (found.finishedOn !== undefined) {
        if (typeof found.failedReason === 'string' && found.failedReason !== '')
          this.answers.failed(id, found.failedReason);
        else this.answers.completed(id, found.returnvalue);
      }
    }
  }

  /** Ends what is waited for. */
  fail(error: Error): void {
    for (const giveUp of this.givingUp) giveUp(error);
  }
}
