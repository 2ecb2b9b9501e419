import type { Redis } from 'ioredis';
import { QueueError } from '../../util/errors.js';
import { keys, SESSION_SECONDS } from '../protocol/keys.js';
import { readSession, SessionThreads, type FindFile } from './session.js';

/** The parts of a worker that its sessions need. */
export interface SessionPlace {
  readonly threads: number;
  readonly arithmetic: string;
  readonly find: FindFile;
  readonly tell: (text: string) => void;
}

/** The sessions that a worker takes part in, and those that it does not. */
export class SessionTable {
  private readonly known = new Map<string, SessionThreads>();
  private readonly refused = new Set<string>();

  constructor(
    private readonly client: Redis,
    private readonly worker: string,
    private readonly place: SessionPlace,
  ) {}

  has(session: string): boolean {
    return this.known.has(session);
  }

  isRefused(session: string): boolean {
    return this.refused.has(session);
  }

  forget(session: string): void {
    this.known.delete(session);
  }

  /** @returns an error for a description that makes no sense, or of another arithmetic; undefined once it is over. */
  async of(id: string): Promise<SessionThreads | Error | undefined> {
    const known = this.known.get(id);
    if (known !== undefined) return known;
    const { find, threads, arithmetic } = this.place;
    try {
      const message = await readSession(this.client, id);
      if (message === undefined) return undefined;
      if (message.session !== id || message.arithmetic !== arithmetic)
        throw new QueueError({
          what: 'a session of another name',
          where: `session ${id}`,
          got: message.arithmetic,
          expected: arithmetic,
        });
      // Another seat may have come as far in the meantime.
      const session = this.known.get(id) ?? new SessionThreads(message, this.client, find, threads);
      this.known.set(id, session);
      return session;
    } catch (error) {
      await this.refuse(id, error);
      return error as Error;
    }
  }

  /** Takes no part in a session from now on, and says why. */
  async refuse(session: string, error: unknown): Promise<void> {
    const text = error instanceof Error ? error.message : String(error);
    this.refused.add(session);
    this.place.tell(`takes no part in session ${session}: ${text}`);
    const key = keys.refused(session);
    await this.client
      .multi()
      .hset(key, this.worker, text.slice(0, 1000))
      .expire(key, 10 * SESSION_SECONDS)
      .exec()
      .catch(() => undefined);
  }
}
