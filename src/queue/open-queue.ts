import type { Pool, PoolOptions } from '../experiment/scoring/scorer-pool.js';
import { openLink } from './coordinator/link.js';
import { QueuePool } from './coordinator/pool.js';
import { FileServer } from './files/file-server.js';
import { handOutSettings, type HandOut } from './files/settings.js';
import { queueAddress } from './redis/address.js';

/** Settings of {@link openQueue}. */
export interface OpenQueueOptions {
  /** Seats to share the work among; by default as many as workers have threads, growing with them. */
  readonly seats?: number;
  /**
   * Gives the checkpoint to workers that do not have it: the address of this machine to do so from, with certificate
   * and key in the files that `QSLM_QUEUE_CERT` and `QSLM_QUEUE_KEY` name.
   */
  readonly handOut?: {
    /** `https://host:port` as workers reach it, or `http://127.0.0.1:port` for those of this machine. */
    readonly url: string;
    /** True allows `http://` beyond this machine. */
    readonly unencrypted?: boolean;
  };
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
 * @throws {UsageError} for an address that is none, or has a password in it; for files that would be handed out
 *   unencrypted, or without a certificate. Scoring then throws {QueueError} for
 *   a server that cannot be reached or would lose work, and where no worker gets a share done.
 */
export function openQueue(url: string, options: OpenQueueOptions = {}): ScoringQueue {
  const address = queueAddress(url);
  const tell = options.onNews ?? ((): void => undefined);
  const { handOut } = options;
  const settings = handOut && handOutSettings(handOut.url, handOut.unencrypted);
  const files = settings && new SharedFiles(settings);
  return {
    text: address.text,
    openPool: async (pool) => {
      const link = await openLink(address, tell);
      const server = await files?.take().catch((error: unknown) => {
        link.client.disconnect();
        throw error;
      });
      const inner = new QueuePool(pool, { link, seats: options.seats, tell, files: server });
      return {
        useTask: (task) => inner.useTask(task),
        score: (request) => inner.score(request),
        observe: (request) => inner.observe(request),
        get atWork() {
          return inner.atWork;
        },
        get inFlight() {
          return inner.inFlight;
        },
        close: async () => {
          try {
            await inner.close();
          } finally {
            await files?.release();
            link.client.disconnect();
          }
        },
      };
    },
  };
}

/** One server for all pools of a queue: they come one after another, or beside each other. */
class SharedFiles {
  private server: Promise<FileServer> | undefined;
  private users = 0;

  constructor(private readonly settings: HandOut) {}

  async take(): Promise<FileServer> {
    this.users++;
    this.server ??= FileServer.open(this.settings);
    try {
      return await this.server;
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  async release(): Promise<void> {
    if (--this.users > 0) return;
    const { server } = this;
    this.server = undefined;
    await (await server?.catch(() => undefined))?.close();
  }
}
