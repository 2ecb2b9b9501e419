import { rootCertificates } from 'node:tls';
import type * as BullMQ from 'bullmq';
import type { ConnectionOptions } from 'bullmq';
import type * as IORedis from 'ioredis';
import type { Redis } from 'ioredis';
import { QueueError } from '../../util/errors.js';
import type { QueueAddress } from './address.js';

/** The packages that the queue is made of; neither is needed for anything else. */
export interface QueuePackages {
  readonly bullmq: typeof BullMQ;
  readonly ioredis: Pick<typeof IORedis, 'Redis'>;
}

/** @throws {QueueError} where they are not installed: they are optional. */
export async function loadPackages(): Promise<QueuePackages> {
  try {
    const [bullmq, ioredis] = await Promise.all([import('bullmq'), import('ioredis')]);
    return { bullmq, ioredis };
  } catch (cause) {
    const got = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause);
    const [what, expected] = ['its packages are not installed', '`npm install bullmq ioredis`'];
    throw new QueueError({ what, where: 'queue', got, expected }, { cause });
  }
}

/** Longest pause between two attempts to reach a server that is away. */
const LONGEST_PAUSE_MS = 1000;
const FIRST_ATTEMPT_MS = 10_000;

/** Options of a connection that waits for a server that is away, and sends again what it did not get through. */
export function connectionOptions(address: QueueAddress): ConnectionOptions & object {
  const { host, port, db, username, password, tls } = address;
  return {
    ...{ host, port, db },
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && {
      tls: {
        // The name of an address is none: TLS has names for hosts alone.
        ...(/^[\d.]+$|:/.test(tls.servername) ? {} : { servername: tls.servername }),
        ...(tls.ca !== undefined && { ca: [...rootCertificates, tls.ca] }),
      },
    }),
    maxRetriesPerRequest: null,
    enableReadyCheck: true,
    retryStrategy: (attempts: number) =>
      Math.min(50 * 2 ** Math.min(attempts, 6), LONGEST_PAUSE_MS),
    // An idle connection whose other end is gone must be noticed.
    keepAlive: 5000,
  };
}

/**
 * Connects, and makes sure that the server keeps what it is given.
 *
 * @throws {QueueError} where there is none, it does not let one in, or it would lose jobs.
 */
export async function connect({ ioredis }: QueuePackages, address: QueueAddress): Promise<Redis> {
  const client = new ioredis.Redis({
    ...(connectionOptions(address) as object),
    lazyConnect: true,
    connectTimeout: FIRST_ATTEMPT_MS,
  });
  let last: Error | undefined;
  client.on('error', (error) => {
    last = error;
  });
  try {
    await Promise.race([client.connect(), refusal(client)]);
    await requireFit(client, address);
    return client;
  } catch (error) {
    client.disconnect();
    if (error instanceof QueueError) throw error;
    throw unreachable(address, last ?? error);
  }
}

/** Rejects on the first fault: later ones are waited out, but this one may be an address that never was one. */
function refusal(client: Redis): Promise<never> {
  return new Promise((_resolve, reject) => {
    client.once('error', reject);
  });
}

function unreachable(address: QueueAddress, error: unknown): QueueError {
  const got = error instanceof Error ? error.message || error.name : String(error);
  const expected = /WRONGPASS|NOAUTH/.test(got)
    ? 'the password in QSLM_QUEUE_PASSWORD or QSLM_QUEUE_PASSWORD_FILE, and the user in the address'
    : 'a Redis server; `npm run queue:local` starts one for trying';
  const what = 'the queue cannot be reached';
  return new QueueError({ what, where: address.text, got, expected }, { cause: error });
}

const OLDEST = 7;

/**
 * Refuses a server that forgets: without an append-only file a crash takes all jobs, and one that evicts keys
 * under memory pressure takes some.
 */
async function requireFit(client: Redis, address: QueueAddress): Promise<void> {
  const text = await client.info();
  const fact = (name: string): string =>
    new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1] ?? 'unknown';
  const faults = [
    Number.parseInt(fact('redis_version'), 10) < OLDEST && `version ${fact('redis_version')}`,
    fact('aof_enabled') !== '1' && 'no append-only file: a crash would take all jobs',
    fact('maxmemory_policy') !== 'noeviction' && `eviction by ${fact('maxmemory_policy')}`,
    fact('role') !== 'master' && `the role of a ${fact('role')}`,
  ].filter((fault) => fault !== false);
  if (faults.length === 0) return;
  throw new QueueError({
    what: 'the server would lose work',
    where: address.text,
    got: faults.join('; '),
    expected: `Redis ${OLDEST} with appendonly yes and maxmemory-policy noeviction`,
  });
}
