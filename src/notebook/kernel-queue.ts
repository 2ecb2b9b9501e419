/** The prototype of the queue of cells in `tslab/dist/util`. */
export interface CellQueue {
  reset: (delay?: number) => void;
}

/**
 * Milliseconds for which cells are cancelled that arrive after a failed one: those of "Run all" are in the
 * socket already. tslab takes 200, in which who waits for the end of a cell has sent the next.
 */
const CANCEL_MS = 20;

/** Shortens that time: a cell that is sent again right after an interrupt must not be lost. */
export function cancelBriefly(queue: CellQueue): void {
  const reset = queue.reset;
  queue.reset = function (delay): void {
    reset.call(this, delay === undefined ? undefined : Math.min(delay, CANCEL_MS));
  };
}
