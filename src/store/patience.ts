import { setTimeout as wait } from 'node:timers/promises';
import { throwIfAborted } from '../util/errors.js';
import { LockedStoreError } from './errors.js';

/** Time between two attempts, in milliseconds. */
const RETRY_MS = 100;
/** Time that work waits which can be interrupted; a lock held longer was forgotten by its holder. */
const LONGEST_MS = 600_000;
/** Time that a call waits which holds up everything else in the process. */
const LONGEST_SYNC_MS = 10_000;

/** Told in words what a person should know of the store: that it is waited for, that it was made anew. */
export type Tell = (text: string) => void;

/** Options of {@link whenUnlocked}. */
export interface Patience {
  readonly tell?: Tell | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly longestMs?: number;
}

/**
 * Does something with a store; while another program has it locked, says so once, and tries again.
 *
 * @throws {LockedStoreError} after ten minutes. {AbortedError} when the signal fires meanwhile.
 */
export async function whenUnlocked<T>(
  work: () => T | Promise<T>,
  { tell, signal, longestMs = LONGEST_MS }: Patience = {},
): Promise<T> {
  const attempts = lockedAttempts(tell, longestMs);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      attempts(error);
    }
    await wait(RETRY_MS, undefined, { signal }).catch(() => undefined);
    throwIfAborted(signal, 'store');
  }
}

/** {@link whenUnlocked} for callers that cannot wait otherwise: nothing else happens in the process meanwhile. */
export function holdingUntilUnlocked<T>(
  work: () => T,
  tell: Tell | undefined,
  longestMs = LONGEST_SYNC_MS,
): T {
  const attempts = lockedAttempts(tell, longestMs);
  for (;;) {
    try {
      return work();
    } catch (error) {
      attempts(error);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
  }
}

/** Passes on any error but that of a lock, and that one after the time is up. */
function lockedAttempts(tell: Tell | undefined, longestMs: number): (error: unknown) => void {
  const deadline = Date.now() + longestMs;
  let told = false;
  return (error) => {
    if (!(error instanceof LockedStoreError) || Date.now() >= deadline) throw error;
    if (!told) tell?.(`${error.detail.where}: ${error.detail.what}; waiting for it`);
    told = true;
  };
}
