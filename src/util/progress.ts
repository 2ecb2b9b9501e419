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

/** Lets timers, signals and interrupts run between two pieces of synchronous work. */
export function yieldToEvents(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
