import type { Redis } from 'ioredis';
import { HEARTBEAT_MS, keys, SESSION_SECONDS } from '../protocol/keys.js';

/** Why a seat is left. */
export type LeaveReason =
  | 'the session is over'
  | 'another worker has the seat'
  | 'a free thread is elsewhere'
  | 'the worker ends'
  | 'its thread failed'
  | 'the seat was taken away';

/** The holding of a seat: shown to others for as long as it lasts, and given up when there is a reason to. */
export class Lease {
  private resolve!: (reason: LeaveReason) => void;
  /** Resolves once the seat has to be left. */
  readonly over = new Promise<LeaveReason>((resolve) => {
    this.resolve = resolve;
  });
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: Redis,
    readonly session: string,
    readonly seat: number,
    private readonly worker: string,
    /** One more than the worker has threads for. */
    readonly isExtra: boolean,
    /** Of the queue of seats. The same seat may be taken again before this holding of it has ended. */
    readonly job: string,
  ) {}

  /** Takes the seat from whoever had it: the queue has given it to this worker. */
  async begin(): Promise<void> {
    const { client, session, seat, worker } = this;
    await client.set(keys.holder(session, seat), worker, 'EX', SESSION_SECONDS);
    this.look();
  }

  private look(): void {
    this.timer = setTimeout(() => {
      this.check()
        // A server that is away is waited for.
        .catch(() => undefined)
        .finally(() => {
          if (this.timer !== undefined) this.look();
        });
    }, HEARTBEAT_MS);
  }

  private async check(): Promise<void> {
    const { client, session, seat, worker } = this;
    const holder = keys.holder(session, seat);
    const [alive, held] = await client.mget(keys.session(session), holder);
    if (alive === null) this.end('the session is over');
    else if (held !== null && held !== worker) this.end('another worker has the seat');
    else await client.set(holder, worker, 'EX', SESSION_SECONDS);
  }

  end(reason: LeaveReason): void {
    this.resolve(reason);
  }

  /** Stops looking; the holder's sign goes where it is still this one's. */
  async finish(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { client, session, seat, worker } = this;
    const holder = keys.holder(session, seat);
    const held = await client.get(holder).catch(() => null);
    if (held === worker) await client.del(holder).catch(() => undefined);
  }
}
