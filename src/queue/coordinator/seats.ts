import type { Queue, QueueEvents } from 'bullmq';
import { keys, PREFIX, PROTOCOL, seatQueue, seatsQueue } from '../protocol/keys.js';
import type { Answers } from './answers.js';
import type { Link } from './link.js';

/** One seat of a session: its queue, and how its answers are heard. */
interface SeatLine {
  readonly queue: Queue;
  readonly events: QueueEvents;
  /** Leases so far: each is a job of its own. */
  leases: number;
}

/** Leases go round for as long as the session lasts, however often their holders are lost. */
const KEPT = { removeOnComplete: true, removeOnFail: true } as const;

/** The seats of a session: offered to workers, and offered again when one is lost altogether. */
export class Seats {
  private readonly lines: SeatLine[] = [];
  private readonly offers: Queue;

  constructor(
    private readonly link: Link,
    private readonly session: string,
    arithmetic: string,
    private readonly answers: Answers,
  ) {
    const { bullmq } = link.packages;
    const options = { connection: link.options, prefix: PREFIX };
    this.offers = new bullmq.Queue(seatsQueue(arithmetic), options);
    this.offers.on('error', link.trouble);
  }

  get count(): number {
    return this.lines.length;
  }

  queue(seat: number): Queue {
    return this.lines[seat].queue;
  }

  /** Offers seats until there are so many. */
  async grow(count: number): Promise<void> {
    const { link, session, answers } = this;
    while (this.lines.length < count) {
      const seat = this.lines.length;
      const name = seatQueue(session, seat);
      const options = { connection: link.options, prefix: PREFIX };
      const queue = new link.packages.bullmq.Queue(name, options);
      const events = new link.packages.bullmq.QueueEvents(name, options);
      queue.on('error', link.trouble);
      events.on('error', link.trouble);
      events.on('completed', ({ jobId, returnvalue }) => {
        answers.completed(jobId, returnvalue);
      });
      events.on('failed', ({ jobId, failedReason }) => {
        answers.failed(jobId, failedReason);
      });
      await events.waitUntilReady();
      const line = { queue, events, leases: 0 };
      this.lines.push(line);
      await this.offer(seat, line);
    }
  }

  private async offer(seat: number, line: SeatLine): Promise<void> {
    const { session } = this;
    const data = { protocol: PROTOCOL, session, seat };
    const jobId = this.leaseId(seat, line);
    await this.offers.add('seat', data, { jobId, ...KEPT, attempts: 1, stackTraceLimit: 0 });
  }

  private leaseId(seat: number, { leases }: SeatLine): string {
    return `${this.session}_${seat}_${leases}`;
  }

  /** Offers again what is no longer on offer or held: its job was lost with the server's data, or ended. */
  async look(): Promise<void> {
    for (const [seat, line] of this.lines.entries()) {
      const state = await this.offers.getJobState(this.leaseId(seat, line));
      if (state !== 'unknown' && state !== 'completed' && state !== 'failed') continue;
      line.leases++;
      await this.offer(seat, line);
    }
  }

  /** Seats that somebody holds, and by how many workers. */
  async held(): Promise<{ readonly seats: number; readonly workers: number }> {
    if (this.lines.length === 0) return { seats: 0, workers: 0 };
    const names = this.lines.map((_, seat) => keys.holder(this.session, seat));
    const holders = (await this.link.client.mget(names)).filter((one) => one !== null);
    return { seats: holders.length, workers: new Set(holders).size };
  }

  /** Takes all back. */
  async close(): Promise<void> {
    for (const [seat, line] of this.lines.entries()) {
      // One that is held goes when its holder finds the session gone.
      await this.offers.remove(this.leaseId(seat, line)).catch(() => 0);
      await line.events.close();
      await line.queue.obliterate({ force: true }).catch(this.link.trouble);
      await line.queue.close();
    }
    await this.offers.close();
  }
}
