import type { Pool, PoolOptions } from '../experiment/scoring/scorer-pool.js';
import { openLink } from './coordinator/link.js';
import { QueuePool } from './coordinator/pool.js';
import { queueAddress } from './redis/address.js';

/** Settings of {@link openQueue}. */
export interface OpenQueueOptions {
  /** Seats to share the work among; by default as many as workers have threads, growing with them. */
  readonly seats?: number;
  /** Told what happens to the connection and to shares, a line each. */
  readonly onNews?: (text: string) => void;
}

/** A queue that plans can be scored over: `openStudy(model, { queue })`. */
export interface ScoringQueue {
  /** The server, without the password. */
  readonly text: string;
  /** Opens the pool of a study. */
  readonly openPool: (options: PoolOptions) => Promise<Pool>;
}

/**
 * A queue on a Redis server, for other machines to score plans on: `qslm worker` on each of them. Nothing is
 * connected to before the first plan is scored. The password comes from the environment
 * (`QSLM_QUEUE_PASSWORD` or `QSLM_QUEUE_PASSWORD_FILE`).
 *
 * @param url `redis://host:port` or `rediss://` for TLS
 * @throws {UsageError} for an address that is none, or has a password in it. Scoring then throws {QueueError} for
 *   a server that cannot be reached or would lose work, and where no worker gets a share done.
 */
export function openQueue(url: string, options: OpenQueueOptions = {}): ScoringQueue {
  const address = queueAddress(url);
  const tell = options.onNews ?? ((): void => undefined);
  return {
    text: address.text,
    openPool: async (pool) => {
      const link = await openLink(address, tell);
      const inner = new QueuePool(pool, { link, seats: options.seats, tell });
      return {
        useTask: (task) => inner.useTask(task),
        score: (request) => inner.score(request),
        close: async () => {
          await inner.close();
          link.client.disconnect();
        },
      };
    },
  };
}
