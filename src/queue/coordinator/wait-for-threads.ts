import { setTimeout as pause } from 'node:timers/promises';
import { QueueError, throwIfAborted } from '../../util/errors.js';
import { formatCounted } from '../../util/format.js';
import { keys } from '../protocol/keys.js';
import { readWorkers } from '../registry.js';
import type { Link } from './link.js';

const LOOK_MS = 500;

/** The session that is waited for. */
export interface Wanting {
  readonly id: string;
  readonly arithmetic: string;
  /** Seats that it has: with one there is no hurry. */
  readonly seats: number;
}

/**
 * The threads of all workers that compute alike and have not refused. Waits for the first one.
 *
 * @param tell who is waited for, while that lasts
 * @throws {QueueError} where all that are there have refused. {AbortedError} when the signal fires.
 */
export async function waitForThreads(
  { client }: Link,
  { id, arithmetic, seats }: Wanting,
  tell: (text: string) => void,
  signal: AbortSignal | undefined,
): Promise<number> {
  for (;;) {
    throwIfAborted(signal, 'waiting for workers');
    const workers = await readWorkers(client);
    const alike = workers.filter((worker) => worker.arithmetic === arithmetic);
    const refused = await client.hgetall(keys.refused(id));
    const willing = alike.filter(({ worker }) => !(worker in refused));
    const threads = willing.reduce((sum, worker) => sum + worker.threads, 0);
    if (threads > 0 || seats > 0) return threads;
    if (alike.length > 0) throw refusal(Object.values(refused));
    const others = [...new Set(workers.map(({ computes }) => computes))].join('; ');
    const there =
      workers.length === 0
        ? ''
        : ` (${formatCounted(workers.length, 'worker')} that compute otherwise: ${others})`;
    tell(`waiting for a worker${there}`);
    await pause(LOOK_MS, undefined, signal && { signal }).catch(() => undefined);
  }
}

/** The error where workers that compute alike are there, and none of them takes part. */
export async function refusalOfAll(
  { client }: Link,
  id: string,
  arithmetic: string,
): Promise<QueueError | undefined> {
  const refused = await client.hgetall(keys.refused(id));
  if (Object.keys(refused).length === 0) return undefined;
  const alike = (await readWorkers(client)).filter((worker) => worker.arithmetic === arithmetic);
  const isEach = alike.length > 0 && alike.every(({ worker }) => worker in refused);
  return isEach ? refusal(Object.values(refused)) : undefined;
}

function refusal(reasons: readonly string[]): QueueError {
  return new QueueError({
    what: 'all workers have refused',
    where: 'queue',
    got: [...new Set(reasons)].join('; '),
    expected: 'a worker that has the model and computes alike',
  });
}
