import { setTimeout } from 'node:timers/promises';
import { AbortedError } from '../util/errors.js';
import { PassingFault } from './request.js';

/** Waits that a test takes the time out of. */
export interface Patience {
  /** Attempts in a row that get no further. */
  readonly attempts: number;
  wait(seconds: number, signal: AbortSignal | undefined): Promise<void>;
}

/** Longest wait that the hub may ask for, in seconds; a person would rather know. */
const LONGEST_WAIT = 120;

export const PATIENCE: Patience = {
  attempts: 6,
  wait: async (seconds, signal) => {
    await setTimeout(1000 * seconds, undefined, signal ? { signal } : {}).catch(() => {
      throw new AbortedError('waiting for the hub');
    });
  },
};

export interface PersistOptions {
  readonly patience: Patience;
  readonly signal?: AbortSignal | undefined;
  /** Grows with each attempt that got further. */
  readonly progress?: () => number;
  /** Hears of each wait. */
  readonly onWait?: (seconds: number, fault: PassingFault) => void;
}

/**
 * Tries again what failed for a passing reason: after 1, 2, 4, … seconds, or as long as the hub says, until
 * so many attempts in a row got no further. Where nothing ever came, a hub that cannot be reached is not
 * waited for.
 *
 * @throws the error of the last attempt.
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  { patience, signal, progress = () => 0, onWait }: PersistOptions,
): Promise<T> {
  let failures = 0;
  let before = progress();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof PassingFault)) throw error;
      const now = progress();
      if (now > before) failures = 0;
      before = now;
      failures += 1;
      const seconds = error.seconds ?? 2 ** (failures - 1);
      const hopeless = error.unreachable && now === 0;
      if (hopeless || failures >= patience.attempts || seconds > LONGEST_WAIT) throw error.error;
      onWait?.(seconds, error);
      await patience.wait(seconds, signal);
    }
  }
}
