import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import type { PoolOptions } from '../../experiment/scoring/scorer-pool.js';
import type { Task } from '../../tasks/task.js';
import { CheckpointError, QueueError } from '../../util/errors.js';
import { sha256File } from '../../util/hash.js';
import { canaryBatch, canaryPlans } from '../canary.js';
import type { FileServer } from '../files/file-server.js';
import { arithmeticHere, arithmeticId } from '../identity.js';
import { planToJson, type PlanJson } from '../protocol/codec.js';
import { HEARTBEAT_MS, keys, PROTOCOL, SESSION_SECONDS } from '../protocol/keys.js';
import type { SessionMessage } from '../protocol/messages.js';
import { SeatThread } from '../worker/seat-thread.js';
import type { Link } from './link.js';

/** A session message as it is sent: plans as JSON. */
type Sent = Omit<SessionMessage, 'canary'> & {
  readonly canary: Omit<SessionMessage['canary'], 'plans'> & {
    readonly plans: readonly PlanJson[];
  };
};

/** The parts of a session that are not the pool's options. */
export interface SessionParts {
  readonly id: string;
  readonly canary: { readonly task: string; readonly text: string; readonly of: Task };
  /** Where the checkpoint is handed out, if it is. */
  readonly files: FileServer | undefined;
}

const SHA256 = /^[0-9a-f]{64}$/;

/** A coordinator's description of its work, renewed for as long as it lives. */
export class Session {
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  private constructor(
    private readonly link: Link,
    public message: Sent,
  ) {}

  /**
   * Computes the canary here, and tells of the session.
   *
   * @throws {CheckpointError} for a file that was changed since it was opened.
   */
  static async open(link: Link, options: PoolOptions, parts: SessionParts): Promise<Session> {
    const { checkpoint: path, stated, backend, identity, reuse } = options;
    const [sha256, { size: bytes }] = await Promise.all([sha256File(path), stat(path)]);
    const { checkpointHash } = options;
    if (checkpointHash !== undefined && SHA256.test(checkpointHash) && checkpointHash !== sha256)
      throw new CheckpointError({
        what: 'the file was changed while it was in use',
        where: path,
        got: `SHA-256 ${sha256}`,
        expected: checkpointHash,
      });
    parts.files?.offer({ sha256, path, bytes });
    const session = new Session(link, {
      protocol: PROTOCOL,
      session: parts.id,
      arithmetic: arithmeticId(arithmeticHere(backend)),
      coordinator: `${hostname()}, process ${process.pid}`,
      checkpoint: { sha256, bytes, name: basename(path) },
      stated: Object.fromEntries(
        Object.entries(stated).filter(([, value]) => value !== undefined && value !== null),
      ) as Record<string, string | number>,
      ...{ backend, identity, reuse: { ...reuse, budgetBytes: Math.floor(reuse.budgetBytes) } },
      canary: await canaryOf(options, parts.canary),
      seats: 0,
      ...(parts.files && { files: { url: parts.files.url, token: parts.files.token } }),
    });
    await link.client.sadd(keys.sessions, parts.id);
    await session.repair();
    return session;
  }

  /** Looks after everything now and then: `look` is called whenever the session has been shown to live. */
  begin(look: () => Promise<void>): void {
    const tick = async (): Promise<void> => {
      await this.repair();
      await look();
    };
    this.timer = setTimeout(() => {
      tick()
        .catch((error: unknown) => {
          if (!this.closed && error instanceof Error) this.link.trouble(error);
        })
        .finally(() => {
          if (!this.closed) this.begin(look);
        });
    }, HEARTBEAT_MS);
  }

  async seats(seats: number): Promise<void> {
    this.message = { ...this.message, seats };
    await this.repair();
  }

  /** Tells of it again: it may have expired, or been lost. */
  async repair(): Promise<void> {
    const { message, link } = this;
    const key = keys.session(message.session);
    await link.client.set(key, JSON.stringify(message), 'EX', SESSION_SECONDS);
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    const { session } = this.message;
    const { client } = this.link;
    await client.del(keys.session(session)).catch(() => 0);
    await client.srem(keys.sessions, session).catch(() => 0);
  }
}

/** Of this machine, in a thread that then goes: its memory is for the search. */
async function canaryOf(
  options: PoolOptions,
  { task, text, of }: SessionParts['canary'],
): Promise<Sent['canary']> {
  const plans = await canaryPlans(options.checkpoint, options.stated);
  const batch = canaryBatch(of);
  const thread = await SeatThread.open(options);
  try {
    const expected = await thread.canary(task, () => Promise.resolve(text), batch, plans);
    return { task, batch, plans: plans.map(planToJson), expected };
  } catch (error) {
    if (!(error instanceof QueueError)) throw error;
    throw new QueueError(
      { ...error.detail, what: `the coordinator's own canary fails: ${error.detail.what}` },
      { cause: error },
    );
  } finally {
    await thread.close();
  }
}
