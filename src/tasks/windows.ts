/**
 * A stretch of a token stream, given by positions in it. Input i predicts token i + 1, so inputs
 * [start, end) have the targets [start + 1, end + 1).
 */
export interface Window {
  readonly start: number;
  readonly end: number;
  /** The first input whose prediction counts; those before it were scored by the window before. */
  readonly scoredFrom: number;
}

export interface WindowOptions {
  /** Inputs of a window. */
  readonly context: number;
  /** From one window's start to the next, 1 to `context`; `context`: windows do not overlap. */
  readonly stride: number;
  /** Treatment of the inputs at the end that do not fill a window. */
  readonly tail: 'drop' | 'keep';
}

/**
 * Cuts a stream with `predictions` inputs (its length − 1) into windows. Each input is scored at most
 * once: all of the first window, the last `stride` inputs of every other. Non-overlapping and with the
 * tail dropped these are ⌊predictions / context⌋ windows. With `keep`, one last window reaches to the
 * end: it starts where the next would have, is shorter, and scores what is left. A stream that does not
 * fill even one window is one short window, whatever `tail` says.
 */
export function cutWindows(
  predictions: number,
  { context, stride, tail }: WindowOptions,
): Window[] {
  const windows: Window[] = [];
  let scored = 0;
  for (let start = 0; scored < predictions; start += stride) {
    const end = Math.min(start + context, predictions);
    const full = end - start === context;
    if (!full && windows.length > 0 && tail === 'drop') break;
    windows.push({ start, end, scoredFrom: scored });
    scored = end;
  }
  return windows;
}
