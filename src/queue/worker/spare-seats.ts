import type { Redis } from 'ioredis';
import { keys } from '../protocol/keys.js';
import { readWorkers } from '../registry.js';

/** Waiting seats that are looked through. */
const MOST_LOOKED_AT = 200;

/** This worker, looking at the others. */
export interface Looking {
  readonly client: Redis;
  readonly worker: string;
  readonly arithmetic: string;
}

/** True where another worker has a thread for a seat of the session, and has not refused it. */
export async function othersHaveThreads(
  { client, worker: own, arithmetic }: Looking,
  session: string,
): Promise<boolean> {
  const refusing = await client.hkeys(keys.refused(session));
  return (await readWorkers(client)).some(
    ({ worker, arithmetic: its, threads, seats }) =>
      worker !== own && its === arithmetic && seats.length < threads && !refusing.includes(worker),
  );
}

/**
 * The sessions of seats that wait, also of those that somebody has refused and that are on hold for a moment.
 *
 * @param key gives the name of a list of the queue of seats
 */
export async function waitingSessions(
  client: Redis,
  key: (list: 'wait' | 'delayed') => string,
): Promise<ReadonlySet<string>> {
  const jobs = [
    ...(await client.lrange(key('wait'), 0, MOST_LOOKED_AT)),
    ...(await client.zrange(key('delayed'), '0', String(MOST_LOOKED_AT))),
  ];
  return new Set(jobs.map((job) => job.split('_')[0]));
}
