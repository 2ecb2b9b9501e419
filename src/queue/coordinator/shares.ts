import type { ObservedLimits } from '../../experiment/observe/observed-items.js';
import type { ScoreReply } from '../../experiment/scoring/scorer.js';
import { certainVerdict, type VerdictQuestion } from '../../experiment/scoring/verdict.js';
import { planId, type ResolvedPlan } from '../../quant/plan.js';
import type { BatchScores, Task } from '../../tasks/task.js';
import { planToJson, questionToJson } from '../protocol/codec.js';
import { OBSERVE, PROTOCOL, SHARE } from '../protocol/keys.js';
import type { CodesMessage } from '../protocol/messages.js';
import type { Answers } from './answers.js';
import { Jobs } from './jobs.js';
import type { Link } from './link.js';
import type { Seats } from './seats.js';

/** One plan on one task, as the shares of it have to know it. */
export interface Evaluation {
  readonly evaluation: number;
  readonly plan: ResolvedPlan;
  /** Where the plan has calibrated schemes. */
  readonly codes: readonly CodesMessage[];
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

/** One plan that is looked into on the first items of a task. */
export interface Observation extends Pick<Evaluation, 'evaluation' | 'plan' | 'codes' | 'hash'> {
  readonly limits: ObservedLimits;
  readonly repair: () => Promise<void>;
}

/** The shares that are out, and their answers. */
export class Shares {
  private readonly jobs: Jobs;

  constructor(
    link: Link,
    private readonly session: string,
    canary: string,
    private readonly seats: Seats,
    answers: Answers,
  ) {
    this.jobs = new Jobs(link, session, canary, seats, answers);
  }

  /**
   * Has the shares scored, all or until the question is settled.
   *
   * @throws what the scoring throws; {QueueError} where a share takes its workers down, or none gets it done.
   */
  async score(asked: Evaluation, shares: readonly Share[]): Promise<readonly ScoreReply[]> {
    const replies: ScoreReply[] = [];
    const failure = this.jobs.failure();
    try {
      for (let round = 0, rest = shares; ; round++) {
        replies.push(...(await this.round(asked, rest, round, failure.promise)));
        rest = missing(rest, replies, asked.task);
        if (rest.length === 0 || (await asked.isStopped()) || isSettled(asked, replies))
          return replies;
      }
    } finally {
      failure.over();
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
      ...codesOf(asked),
      batches: share.batches,
      ...(asked.question && { question: questionToJson(asked.question) }),
    };
    const reply = await this.jobs.persist(
      {
        ...{ name: SHARE, seat: share.seat, data, where: placeOf(asked, share) },
        parts: [asked.evaluation, planId(asked.plan), share.seat, round],
        repair: () => asked.repair(),
      },
      failure,
      (answer) => {
        if (answer.kind !== 'scored' || !areOf(share, answer.scores, asked.task)) return undefined;
        const { scores, work } = answer;
        return { scores, work: { ...work, exits: { ...work.exits } } };
      },
    );
    asked.settled(share.seat, tallyOf(reply, asked.task));
    return reply;
  }

  /**
   * Has a worker look into the model: the one of the seat that has the fewest such jobs.
   *
   * @returns the observables, in the order of their names.
   * @throws as {@link score}.
   */
  async observe(asked: Observation): Promise<Float64Array> {
    const { evaluation, plan, hash: task, limits, repair } = asked;
    const seats = Array.from(
      { length: this.seats.count },
      (_, seat) => [this.jobs.count(OBSERVE, seat), seat] as const,
    );
    const [, seat] = seats.reduce((least, one) => (one[0] < least[0] ? one : least));
    const { session } = this;
    const job = {
      ...{ name: OBSERVE, seat, where: `plan ${planId(plan)}, what is seen in it` },
      data: {
        ...{ protocol: PROTOCOL, session, seat, task, limits },
        ...{ plan: planToJson(plan), ...codesOf(asked) },
      },
      parts: [evaluation, planId(plan), OBSERVE],
      repair,
    };
    const failure = this.jobs.failure();
    try {
      return await this.jobs.persist(job, failure.promise, (answer) =>
        answer.kind === 'observed' ? answer.values : undefined,
      );
    } finally {
      failure.over();
    }
  }

  /** Looks for answers that were not heard, and sends again what the server has lost. */
  look(): Promise<void> {
    return this.jobs.look();
  }

  /** Ends what is waited for. */
  fail(error: Error): void {
    this.jobs.fail(error);
  }
}

/** Nothing for a plan that needs none. */
function codesOf({ codes }: Pick<Evaluation, 'codes'>): object {
  return codes.length > 0 ? { codes } : {};
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
