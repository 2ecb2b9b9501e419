import { once } from 'node:events';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { QueueError } from '../../util/errors.js';
import { checked } from '../protocol/codec.js';
import {
  HEARTBEAT_MS,
  keys,
  LOCK_MS,
  PREFIX,
  PROTOCOL,
  seatsQueue,
  STALLED_MS,
  WORKER_SECONDS,
} from '../protocol/keys.js';
import { leaseJson, type WorkerMessage } from '../protocol/messages.js';
import type { QueueAddress } from '../redis/address.js';
import { connect, connectionOptions, loadPackages, type QueuePackages } from '../redis/connect.js';
import { faultText, workerName } from './identity.js';
import { Lease, type LeaveReason } from './lease.js';
import { Seat, type SeatCounts } from './seat.js';
import { SessionTable } from './session-table.js';
import { BLOB, type FindFile } from './session.js';
import { othersHaveThreads, waitingSessions } from './spare-seats.js';

/** A worker to be started. */
export interface QueueWorkerOptions {
  readonly address: QueueAddress;
  /** Seats at once; each has a thread with a model of its own. */
  readonly threads: number;
  /** Name of the arithmetic of this machine. */
  readonly arithmetic: string;
  /** In words. */
  readonly computes: string;
  readonly find: FindFile;
  /** Called once it is to end: what it waits for is not waited for any longer. */
  readonly onClosing: () => void;
  /** Told what happens, a line each. */
  readonly tell: (text: string) => void;
}

/** A session that this worker takes no part in is not looked at again for so long. */
const AVOIDED_MS = 500;
/** Time in which others may take it. */
const RESTING_MS = 5000;
/** Time to give everything back in, once asked to end. */
const CLOSING_MS = 15_000;
/** Looks in a row at which a seat was waiting before a worker takes more than it has threads for. */
const PATIENCE = 2;
/** Leases may move as often as they like: only their number would be a limit. */
const ANY_TIMES = 1_000_000;

/** Reasons for which another worker shall have the seat. */
const MOVES = new Set<LeaveReason>([
  'the worker ends',
  'a free thread is elsewhere',
  'its thread failed',
]);

/** A process that takes seats of sessions and scores their shares, until it is closed. */
export class QueueWorker {
  private readonly id = workerName();
  private readonly counts: SeatCounts = { shares: 0, seconds: 0, tokens: 0 };
  private readonly leases = new Set<Lease>();
  private readonly sessions: SessionTable;
  private readonly workers: Worker[] = [];
  private timer: NodeJS.Timeout | undefined;
  private resting: NodeJS.Timeout | undefined;
  private closing = false;
  private seatsWaited = 0;
  private readonly since = Date.now();

  private constructor(
    private readonly options: QueueWorkerOptions,
    private readonly packages: QueuePackages,
    private readonly client: Redis,
  ) {
    this.sessions = new SessionTable(client, this.id, options);
  }

  /** @throws {QueueError} where the server cannot be reached or is not fit. */
  static async start(options: QueueWorkerOptions): Promise<QueueWorker> {
    const packages = await loadPackages();
    const client = await connect(packages, options.address);
    const worker = new QueueWorker(options, packages, client);
    await worker.announce();
    worker.workers.push(worker.seatsWorker(options.threads, false));
    worker.beat();
    return worker;
  }

  private seatsWorker(concurrency: number, isExtra: boolean): Worker {
    const { address, arithmetic } = this.options;
    const worker: Worker = new this.packages.bullmq.Worker(
      seatsQueue(arithmetic),
      async (job, token) => {
        try {
          return await this.take(job, token, isExtra);
        } finally {
          // It is there for one seat: what it gives back is for others.
          if (isExtra) this.retire(worker);
        }
      },
      {
        connection: connectionOptions(address),
        ...{ prefix: PREFIX, concurrency },
        ...{ lockDuration: LOCK_MS, stalledInterval: STALLED_MS, maxStalledCount: ANY_TIMES },
      },
    );
    worker.on('error', this.trouble);
    worker.on('lockRenewalFailed', (jobs) => {
      for (const lease of this.leases)
        if (jobs.includes(lease.job) && lease.isExtra === isExtra)
          lease.end('the seat was taken away');
    });
    return worker;
  }

  /** Takes no seats for a while; those that it has go on. */
  private rest(): void {
    const [worker] = this.workers;
    void worker.pause(true);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      if (!this.closing) void worker.resume();
    }, RESTING_MS);
  }

  private retire(worker: Worker): void {
    this.workers.splice(this.workers.indexOf(worker), 1);
    void worker.pause(true).then(() => worker.close());
  }

  /** Connection errors repeat while a server is away: one line each kind. */
  private readonly trouble = (error: Error): void => {
    const text = faultText(error);
    if (text === this.lastTrouble || this.closing) return;
    this.lastTrouble = text;
    this.options.tell(text);
  };
  private lastTrouble = '';

  private async take(
    job: Job<unknown>,
    token: string | undefined,
    isExtra: boolean,
  ): Promise<unknown> {
    const { bullmq } = this.packages;
    const giveBack = async (): Promise<never> => {
      await job.moveToWait(token);
      throw new bullmq.WaitingError();
    };
    let lease;
    try {
      lease = checked(leaseJson, job.data, 'seat');
    } catch (error) {
      throw new bullmq.UnrecoverableError((error as Error).message);
    }
    const { session: id, seat } = lease;
    if (this.closing) return giveBack();
    const avoid = async (): Promise<never> => {
      // Others get the time to take it: of two that wait for it, this one must not be the faster again.
      if (!isExtra) this.rest();
      await job.moveToDelayed(Date.now() + AVOIDED_MS, token);
      throw new bullmq.DelayedError();
    };
    if (this.sessions.isRefused(id) || (isExtra && !this.sessions.has(id))) return avoid();
    const session = await this.sessions.of(id);
    if (session === undefined) return 'the session is over';
    if (session instanceof Error) return avoid();
    const mine = new Lease(this.client, id, seat, this.id, isExtra, job.id!);
    // Known from here on: the model may take a while, and it counts among the seats of this worker.
    this.leases.add(mine);
    let place;
    try {
      place = await session.take(this.options.threads);
    } catch (error) {
      this.leases.delete(mine);
      if (this.isClosing()) return giveBack();
      // What was lost on the way comes again.
      if (error instanceof QueueError && error.detail.where === BLOB)
        this.options.tell(error.message);
      else await this.sessions.refuse(id, error);
      return avoid();
    }
    const { packages, client, counts } = this;
    await mine.begin();
    const holding = new Seat({
      ...{ packages, client, seat, counts, worker: this.id, thread: place.thread },
      connection: connectionOptions(this.options.address),
      session: session.message,
      find: session.find,
      onTrouble: this.trouble,
      onBroken: () => {
        mine.end('its thread failed');
      },
    });
    this.options.tell(`seat ${seat} of session ${id} (${session.message.checkpoint.name})`);
    const reason = await mine.over;
    this.options.tell(`seat ${seat} of session ${id} left: ${reason}`);
    await holding.leave();
    await place.release();
    await mine.finish();
    this.leases.delete(mine);
    if (reason === 'the session is over' && ![...this.leases].some((one) => one.session === id))
      this.sessions.forget(id);
    return MOVES.has(reason) ? giveBack() : reason;
  }

  /** Asked again after a wait. */
  private isClosing(): boolean {
    return this.closing;
  }

  private beat(): void {
    this.timer = setTimeout(() => {
      this.tick()
        .catch(() => undefined)
        .finally(() => {
          if (!this.closing) this.beat();
        });
    }, HEARTBEAT_MS);
  }

  private async tick(): Promise<void> {
    await this.announce();
    await this.adjust();
  }

  private async announce(): Promise<void> {
    const { arithmetic, computes, threads } = this.options;
    const seats = [...this.leases].map(({ session, seat }) => ({ session, seat }));
    const { shares, seconds, tokens } = this.counts;
    const record: WorkerMessage = {
      ...{ protocol: PROTOCOL, worker: this.id, host: hostname(), pid: process.pid },
      ...{ arithmetic, computes, threads, seats, shares, seconds, tokens, since: this.since },
    };
    await this.client
      .multi()
      .sadd(keys.workers, this.id)
      .set(keys.worker(this.id), JSON.stringify(record), 'EX', WORKER_SECONDS)
      .exec();
  }

  /**
   * Where a seat waits and nobody has a thread for it, takes it beside its own; gives such a one back once
   * somebody has.
   */
  private async adjust(): Promise<void> {
    const { client, id: worker, sessions } = this;
    const looking = { client, worker, arithmetic: this.options.arithmetic };
    for (const lease of this.leases)
      if (lease.isExtra && (await othersHaveThreads(looking, lease.session))) {
        lease.end('a free thread is elsewhere');
        return;
      }
    const [seats] = this.workers;
    const isFull = this.leases.size >= this.options.threads;
    const waiting = isFull ? await waitingSessions(client, (list) => seats.toKey(list)) : [];
    let isOurs = false;
    for (const session of waiting)
      isOurs ||= sessions.has(session) && !(await othersHaveThreads(looking, session));
    this.seatsWaited = isOurs ? this.seatsWaited + 1 : 0;
    if (this.seatsWaited < PATIENCE) return;
    this.seatsWaited = 0;
    this.workers.push(this.seatsWorker(1, true));
  }

  /** Lets go of everything, and ends. Shares under way go back after their batch. */
  async close(): Promise<void> {
    this.closing = true;
    this.options.onClosing();
    clearTimeout(this.timer);
    clearTimeout(this.resting);
    for (const lease of this.leases) lease.end('the worker ends');
    const orderly = async (): Promise<void> => {
      await Promise.all(this.workers.map((worker) => worker.close()));
      await this.client.multi().srem(keys.workers, this.id).del(keys.worker(this.id)).exec();
    };
    const isDone = await Promise.race([
      orderly().then(
        () => true,
        () => false,
      ),
      pause(CLOSING_MS, false, { ref: true }),
    ]);
    // A server that is away would be waited for without end; what it has of this worker expires there.
    if (!isDone) for (const worker of this.workers) void worker.disconnect().catch(() => undefined);
    this.client.disconnect();
  }

  /** Works until the signal fires. */
  async until(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await once(signal, 'abort');
    await this.close();
  }
}
