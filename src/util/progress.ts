import { formatBytes, formatCount } from './format.js';

/** One step of long work. The library only reports; terminals and notebooks decide how to show it. */
export interface ProgressEvent {
  /** The work, in the words a user would use: "evaluate 8 bits". */
  readonly phase: string;
  /** Units finished, and units in all. */
  readonly done: number;
  readonly total: number;
  /** The things that `done` and `total` count: "tokens", "sentences", "bytes". */
  readonly unit: string;
  /** A short figure worth showing while it runs: "accuracy 0.776". */
  readonly note?: string;
  /** Seconds left, where those at work know better than what is done and in all tells. */
  readonly secondsLeft?: number;
}

/** "12.35 MB of 17.85 MB", "400 of 1,000 sentences" */
export function amountText({ done, total, unit }: ProgressEvent): string {
  return unit === 'bytes'
    ? `${formatBytes(done)} of ${formatBytes(total)}`
    : `${formatCount(done)} of ${formatCount(total)} ${unit}`;
}

/** Hears of each step of long work. */
export type ProgressListener = (event: ProgressEvent) => void;

/** Options of every long-running call. */
export interface RunOptions {
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

/**
 * Works on things that do not depend on each other, beginning in their order, and so many at a time.
 *
 * @param atOnce asked anew before each is begun: more may become possible in between
 * @param onDone told of each in their order, once those before it are done too
 * @returns what came of each, in their order.
 * @throws the error of the first one, by order, that failed; no further ones are begun then, and those under way are
 *   waited for.
 */
export async function mapInFlight<T, R>(
  things: readonly T[],
  atOnce: () => number,
  work: (thing: T, index: number) => Promise<R>,
  onDone: (result: R, index: number) => void = () => undefined,
): Promise<R[]> {
  const results = new Map<number, R>();
  const failures = new Map<number, unknown>();
  const underWay = new Set<Promise<void>>();
  let told = 0;
  const one = async (thing: T, index: number): Promise<void> => {
    try {
      results.set(index, await work(thing, index));
      for (; results.has(told); told++) onDone(results.get(told)!, told);
    } catch (error) {
      failures.set(index, error);
    }
  };
  for (const [index, thing] of things.entries()) {
    const mine = one(thing, index).finally(() => underWay.delete(mine));
    underWay.add(mine);
    while (underWay.size >= Math.max(1, atOnce())) await Promise.race(underWay);
    if (failures.size > 0) break;
  }
  await Promise.all(underWay);
  if (failures.size > 0) throw failures.get(Math.min(...failures.keys()));
  return things.map((_, index) => results.get(index)!);
}

/** Lets timers, signals and interrupts run between two pieces of synchronous work. */
export function yieldToEvents(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
