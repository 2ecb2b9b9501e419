import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import type { SeatThread as Thread } from '../../../src/queue/worker/seat-thread.js';
import { packagePath } from '../../../src/util/paths.js';

/*
 * Loaded into a `qslm worker` before it starts: one of its first shares takes longer, so that a fault in the middle
 * of it is in the middle of it for certain.
 */

/** The share that is slow, counted from nought, and for how long. */
export const SLOW_SHARE = 3;
export const SLOW_MS = 1000;

// The command line runs in a thread of its own; threads without seats load this in vain.
if (process.env['ODD'] === 'slow') {
  const compiled = packagePath('dist', 'queue', 'worker', 'seat-thread.js');
  const { SeatThread } = createRequire(__filename)(compiled) as {
    readonly SeatThread: typeof Thread;
  };
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its thread below
  const { score } = SeatThread.prototype;
  let shares = 0;
  SeatThread.prototype.score = async function (...parts) {
    if (shares++ === SLOW_SHARE) await pause(SLOW_MS);
    return score.apply(this, parts);
  };
}
