import { setTimeout as pause } from 'node:timers/promises';
import type { ScoreReply } from '../../experiment/scoring/scorer.js';
import { certainVerdict, type VerdictQuestion } from '../../experiment/scoring/verdict.js';
import { planId, type ResolvedPlan } from '../../quant/plan.js';
import type { BatchScores, Task } from '../../tasks/task.js';
import { fromPlainError, QueueError } from '../../util/errors.js';
import { sha256 } from '../../util/hash.js';
import { checked, planToJson, questionToJson } from '../protocol/codec.js';
import { keys, MOST_LOST_WORKERS, PROTOCOL, SHARE_ATTEMPTS } from '../protocol/keys.js';
import { answerJson, type Answer } from '../protocol/messages.js';
import type { Answers, JobEnd } from './answers.js';
import type { Link } from './link.js';
import type { Seats } from './seats.js';

/** One plan on one task, as the shares of it have to know it. */
export interface Evaluation {
  readonly evaluation: number;
  readonly plan: ResolvedPlan;
  readonly task: Task;
  /** SHA-256 of the task's text. */
  readonly hash: string;
  readonly question: VerdictQuestion | undefined;
  /** True once somebody has asked to stop. */
  isStopped(): Promise<boolean>;
  stop(): void;
  /** Puts back what workers need and may have been lost. */
  repair(): Promise<void>;
  /** Told of a share's whole tally: items, score in micro-nats, tokens. */
  settled(seat: number, tally: readonly number[]): void;
}

/** Batches that go to one seat. */
export interface Share {
  readonly seat: number;
  readonly batches: readonly number[];
}

interface OpenJob {
  readonly seat: number;
  readonly data: object;
}

const PAUSE_MS = 250;
/** BullMQ's words for a job whose workers were lost too often. */
const LOST = /stalled more than allowable/;

/** The shares that are out, and their answers. */
export class Shares {
  private readonly open = new Map<string, OpenJob>();
  /** Rejects when nobody is left who could answer. */
  private giveUp: ((error: Error) => void) | undefined;

  constructor(
    private readonly link: Link,
    private readonly session: string,
    private readonly canary: string,
    private readonly seats: Seats,
    private readonly answers: Answers,
  ) {}

  /**
   * Has the shares scored, all or until the question is settled.
   *
   * @throws what the scoring throws; {QueueError} where a share takes its workers down, or none gets it done.
   */
  async score(asked: Evaluation, shares: readonly Share[]): Promise<readonly ScoreReply[]> {
    const replies: ScoreReply[] = [];
    const failure = new Promise<never>((_resolve, reject) => {
      this.giveUp = reject;
    });
    failure.catch(() => undefined);
    try {
      for (let round = 0, rest = shares; ; round++) {
        replies.push(...(await this.round(asked, rest, round, failure)));
        rest = missing(rest, replies, asked.task);
        if (rest.length === 0 || (await asked.isStopped()) || isSettled(asked, replies))
          return replies;
      }
    } finally {
      this.giveUp = undefined;
    }
  }

  /** Waits for every share, also when one fails: the next evaluation must find the seats idle. */
  private async round(
    asked: Evaluation,
    shares: readonly Share[],
    round: number,
    failure: Promise<never>,
  ): Promise<ScoreReply[]> {
    const ends = await Promise.allSettled(
      shares.map(async (share) => {
        try {
          return await this.ask(asked, share, round, failure);
        } catch (error) {
          asked.stop();
          throw error;
        }
      }),
    );
    return ends.map((end) => {
      if (end.status === 'rejected') throw end.reason;
      return end.value;
    });
  }

  private async ask(
    asked: Evaluation,
    share: Share,
    round: number,
    failure: Promise<never>,
  ): Promise<ScoreReply> {
    const data = {
      ...{ protocol: PROTOCOL, session: this.session, seat: share.seat },
      ...{ evaluation: asked.evaluation, task: asked.hash, plan: planToJson(asked.plan) },
      batches: share.batches,
      ...(asked.question && { question: questionToJson(asked.question) }),
    };
    let reason = '';
    for (let attempt = 0; attempt < SHARE_ATTEMPTS; attempt++) {
      if (attempt > 0) {
        this.link.trouble(new Error(`${placeOf(asked, share)} once more: ${reason}`));
        await pause(PAUSE_MS);
        await asked.repair();
      }
      // The number of the evaluation is part of it: one that was stopped must not answer for a later one.
      const parts = [
        this.session,
        asked.evaluation,
        planId(asked.plan),
        share.seat,
        round,
        attempt,
      ];
      const id = sha256(parts.join(' ')).slice(0, 32);
      const end = await this.answerTo(id, share.seat, data, failure);
      const found = this.read(end, asked, share);
      if ('reply' in found) {
        asked.settled(share.seat, tallyOf(found.reply, asked.task));
        return found.reply;
      }
      reason = found.reason;
    }
    throw new QueueError({
      what: 'no worker gets a share of an evaluation done',
      where: placeOf(asked, share),
      got: reason,
      expected: 'scores',
    });
  }

  private async answerTo(
    id: string,
    seat: number,
    data: object,
    failure: Promise<never>,
  ): Promise<JobEnd> {
    const end = this.answers.of(id);
    this.open.set(id, { seat, data });
    try {
      await this.add(id, { seat, data });
      return await Promise.race([end, failure]);
    } finally {
      this.open.delete(id);
      this.answers.forget(id);
      void this.seats.queue(seat).remove(id).catch(this.link.trouble);
    }
  }

  private async add(jobId: string, { seat, data }: OpenJob): Promise<void> {
    await this.seats.queue(seat).add('share', data, { jobId, attempts: 1, stackTraceLimit: 0 });
  }

  private read(
    end: JobEnd,
    asked: Evaluation,
    share: Share,
  ): { readonly reply: ScoreReply } | { readonly reason: string } {
    const { kind } = end;
    if (kind === 'failed') {
      if (!LOST.test(end.reason)) return { reason: end.reason };
      throw new QueueError({
        what: 'a share of an evaluation took its workers down',
        where: placeOf(asked, share),
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
    const { scores, work } = answer;
    if (!areOf(share, scores, asked.task)) return { reason: 'scores of other batches' };
    return { reply: { scores, work: { ...work, exits: { ...work.exits } } } };
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
    this.giveUp?.(error);
  }
}

function placeOf({ plan }: Evaluation, { seat, batches }: Share): string {
  return `plan ${planId(plan)}, share ${seat + 1} (${batches.length} batches from ${batches[0]} on)`;
}

/** True for scores of the first batches of a share, in their order. */
function areOf(
  { batches }: Share,
  scores: readonly BatchScores[],
  { batches: all }: Task,
): boolean {
  return (
    scores.length <= batches.length &&
    scores.every(({ indices, values }, at) => {
      const expected = all[batches[at]].indices;
      return (
        values.length === expected.length &&
        indices.length === expected.length &&
        expected.every((index, row) => index === indices[row])
      );
    })
  );
}

/** Batches that nobody has scored yet, at the seats that have their streams. */
function missing(
  shares: readonly Share[],
  replies: readonly ScoreReply[],
  { batches: all }: Task,
): Share[] {
  const done = new Set(replies.flatMap(({ scores }) => scores.map(({ indices }) => indices[0])));
  return shares
    .map(({ seat, batches }) => ({
      seat,
      batches: batches.filter((batch) => !done.has(all[batch].indices[0])),
    }))
    .filter(({ batches }) => batches.length > 0);
}

function isSettled({ question }: Evaluation, replies: readonly ScoreReply[]): boolean {
  if (question === undefined) return false;
  let [items, sum] = [0, 0];
  for (const { scores } of replies)
    for (const { values } of scores) {
      items += values.length;
      sum += values.reduce((total, value) => total + value, 0);
    }
  return certainVerdict(question, { items, sum }) !== undefined;
}

/** Micro-nats, as a worker's tally has them. */
const UNITS_PER_SUM = 1e6;
const MOST_UNITS = 1e15;

function tallyOf({ scores }: ScoreReply, { itemTokens }: Task): readonly number[] {
  let [items, sum, tokens] = [0, 0, 0];
  for (const { values, indices } of scores) {
    items += values.length;
    const total = values.reduce((all, value) => all + value, 0);
    sum += Math.floor(Math.min(total * UNITS_PER_SUM, MOST_UNITS));
    tokens += indices.reduce((all, index) => all + itemTokens[index], 0);
  }
  return [items, sum, tokens];
}
