/** One step of long work. The library only reports; terminals and notebooks decide how to show it. */
export interface ProgressEvent {
  /** What is being done, in the words a user would use: "evaluate 8 bits". */
  readonly phase: string;
  /** Units finished, and units in all. */
  readonly done: number;
  readonly total: number;
  /** What `done` and `total` count: "tokens", "sentences", "bytes". */
  readonly unit: string;
  /** A short figure worth showing while it runs: "accuracy 0.776". */
  readonly note?: string;
}

export type ProgressListener = (event: ProgressEvent) => void;

/** What every long-running call accepts. */
export interface RunOptions {
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

/** Lets timers, signals and interrupts run between two pieces of synchronous work. */
export function yieldToEvents(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
