import type { Redis } from 'ioredis';
import { QueueError } from '../util/errors.js';
import { parsed } from './protocol/codec.js';
import { keys, PREFIX, seatQueue } from './protocol/keys.js';
import { sessionJson } from './protocol/messages.js';
import { queueAddress } from './redis/address.js';
import { connect, connectionOptions, loadPackages, type QueuePackages } from './redis/connect.js';
import { readWorkers } from './registry.js';

/** A worker as `qslm queue status` shows it. */
export interface WorkerStatus {
  readonly worker: string;
  readonly host: string;
  readonly pid: number;
  readonly arithmetic: string;
  readonly computes: string;
  readonly threads: number;
  readonly seats: number;
  /** Since it started. */
  readonly shares: number;
  readonly tokens: number;
  /** Of the time that its shares took. */
  readonly tokensPerSecond: number | null;
}

/** A session as `qslm queue status` shows it. */
export interface SessionStatus {
  readonly session: string;
  readonly coordinator: string;
  readonly model: string;
  readonly arithmetic: string;
  readonly seats: number;
  readonly held: number;
  readonly shares: { readonly waiting: number; readonly active: number };
  readonly refused: readonly { readonly worker: string; readonly reason: string }[];
}

/** Everything that is known of a queue. */
export interface QueueStatus {
  readonly queue: string;
  readonly workers: readonly WorkerStatus[];
  readonly sessions: readonly SessionStatus[];
}

/**
 * Looks at a queue: who is there, what is being worked on.
 *
 * @throws {UsageError} {QueueError} as for a search.
 */
export async function queueStatus(url: string): Promise<QueueStatus> {
  const address = queueAddress(url);
  const packages = await loadPackages();
  const client = await connect(packages, address);
  try {
    const workers = await readWorkers(client);
    const ids = await client.smembers(keys.sessions);
    const sessions: SessionStatus[] = [];
    for (const id of ids.sort()) {
      const found = await sessionStatus(client, packages, connectionOptions(address), id);
      if (found !== undefined) sessions.push(found);
    }
    const told = workers.map(({ seats, seconds, ...worker }): WorkerStatus => {
      const { host, pid, arithmetic, computes, threads, shares, tokens } = worker;
      return {
        ...{ worker: worker.worker, host, pid, arithmetic, computes, threads, shares, tokens },
        seats: seats.length,
        tokensPerSecond: seconds > 0 ? tokens / seconds : null,
      };
    });
    const byHost = (a: WorkerStatus, b: WorkerStatus): number =>
      a.host < b.host ? -1 : a.host > b.host ? 1 : a.pid - b.pid;
    return { queue: address.text, workers: told.sort(byHost), sessions };
  } finally {
    client.disconnect();
  }
}

/** @returns undefined for a session that is over, or of another version. */
async function sessionStatus(
  client: Redis,
  { bullmq }: QueuePackages,
  connection: object,
  id: string,
): Promise<SessionStatus | undefined> {
  const text = await client.get(keys.session(id));
  if (text === null) return undefined;
  let message;
  try {
    message = parsed(sessionJson, text, `session ${id}`, 1e7);
  } catch (error) {
    if (error instanceof QueueError) return undefined;
    throw error;
  }
  const { seats, coordinator, checkpoint, arithmetic } = message;
  const all = Array.from({ length: seats }, (_, seat) => seat);
  const holders = seats === 0 ? [] : await client.mget(all.map((seat) => keys.holder(id, seat)));
  const shares = { waiting: 0, active: 0 };
  for (const seat of all) {
    const queue = new bullmq.Queue(seatQueue(id, seat), { connection, prefix: PREFIX });
    const { waiting, active } = await queue.getJobCounts('waiting', 'active');
    shares.waiting += waiting;
    shares.active += active;
    await queue.close();
  }
  const refused = Object.entries(await client.hgetall(keys.refused(id)));
  return {
    ...{ session: id, coordinator, model: checkpoint.name, arithmetic, seats, shares },
    held: holders.filter((holder) => holder !== null).length,
    refused: refused.map(([worker, reason]) => ({ worker, reason })),
  };
}
