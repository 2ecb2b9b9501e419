import type { Redis } from 'ioredis';
import { QueueError } from '../../util/errors.js';
import { sha256 } from '../../util/hash.js';
import { parsed } from '../protocol/codec.js';
import { keys } from '../protocol/keys.js';
import { sessionJson, type SessionMessage } from '../protocol/messages.js';
import type { FoundFile, WantedFile } from './models.js';
import { SeatThread } from './seat-thread.js';

/** Finds a file of a session, wherever this worker may look. */
export type FindFile = (wanted: WantedFile, session: SessionMessage) => Promise<FoundFile>;

/** @returns undefined for one that is over. @throws {QueueError} for a description that makes no sense. */
export async function readSession(
  client: Redis,
  session: string,
): Promise<SessionMessage | undefined> {
  const text = await client.get(keys.session(session));
  return text === null ? undefined : parsed(sessionJson, text, `session ${session}`, 1e7);
}

/** The place of faults that pass. */
export const BLOB = 'blob';

/** A text by its hash. @throws {QueueError} where it is not there, or another one. */
export async function readBlob(client: Redis, hash: string): Promise<string> {
  const text = await client.get(keys.blob(hash));
  if (text !== null && sha256(text) === hash) return text;
  const got = text === null ? 'nothing' : 'a text with another hash';
  const [what, expected] = ['a part of the session is missing or damaged', `SHA-256 ${hash}`];
  throw new QueueError({ what, where: BLOB, got, expected });
}

/** The threads of one session in a worker, that have passed its canary. */
export class SessionThreads {
  private readonly threads: { readonly thread: SeatThread; seats: number }[] = [];

  constructor(
    readonly message: SessionMessage,
    private readonly client: Redis,
    readonly find: FindFile,
    private readonly threadsOfWorker: number,
  ) {}

  /**
   * A thread for one more seat: a new one, or where there are as many as wanted the one with the fewest seats.
   *
   * @throws {QueueError} where the model is not found or this machine computes otherwise; as loading does.
   */
  async take(most: number): Promise<{ readonly thread: SeatThread; release(): Promise<void> }> {
    let place = this.threads.length >= most ? this.leastBusy() : undefined;
    if (place === undefined) {
      place = { thread: await this.open(), seats: 0 };
      this.threads.push(place);
    }
    const mine = place;
    mine.seats++;
    return {
      thread: mine.thread,
      release: async () => {
        if (--mine.seats > 0) return;
        const at = this.threads.indexOf(mine);
        if (at >= 0) this.threads.splice(at, 1);
        await mine.thread.close();
      },
    };
  }

  private leastBusy(): (typeof this.threads)[number] | undefined {
    return [...this.threads].sort((a, b) => a.seats - b.seats).at(0);
  }

  private async open(): Promise<SeatThread> {
    const { checkpoint, stated, backend, identity, reuse, canary } = this.message;
    const { path, content } = await this.find(checkpoint, this.message);
    const thread = await SeatThread.open({
      checkpoint: path,
      content,
      ...{ stated, backend, identity },
      reuse: { ...reuse, budgetBytes: reuse.budgetBytes / this.threadsOfWorker },
    });
    try {
      const { task, batch, plans, expected } = canary;
      const text = (): Promise<string> => readBlob(this.client, task);
      const bits = await thread.canary(task, text, batch, plans);
      if (bits === expected) return thread;
      throw new QueueError({
        what: 'this machine computes other bits than the coordinator',
        where: 'canary',
        got: bits,
        expected,
      });
    } catch (error) {
      await thread.close();
      throw error;
    }
  }
}
