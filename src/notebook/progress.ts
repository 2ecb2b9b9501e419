import { AsyncLocalStorage } from 'node:async_hooks';
import { escapeHtml } from '../plots/render/html.js';
import { roughTime } from '../util/format.js';
import { amountText, type ProgressEvent, type RunOptions } from '../util/progress.js';
import { displayLive, inNotebook, type LiveDisplay, type MimeBundle } from './display.js';

/** Milliseconds between two updates of the bar: more would only load the browser. */
const UPDATE_INTERVAL_MS = 150;

/** Ends when the work started last has ended, in success or not. */
let running: Promise<void> = Promise.resolve();

/** Set inside work that runs, which must not wait for itself. */
const inside = new AsyncLocalStorage<true>();

/**
 * Runs long work with a live bar below the cell. Interrupting the kernel fires the signal that the work
 * is given; it stops at its next step, and all that it has stored stays stored. An interrupted cell ends
 * before its work has stopped, so the next work waits for that.
 *
 *     const points = await progress((run) => runUniform(model, task, run), 'Uniform bit widths');
 *
 * @param run gets `onProgress` and `signal`, to pass on to the call that takes long.
 * @returns the result of `run`. @throws the errors of `run`; {AbortedError} after an interrupt.
 */
export async function progress<T>(
  run: (options: Required<RunOptions>) => Promise<T>,
  title = 'Running',
): Promise<T> {
  const start = (): Promise<T> => inside.run(true, () => runWithBar(run, title));
  const work = inside.getStore() ? start() : running.then(start);
  running = work.then(
    () => undefined,
    () => undefined,
  );
  return work;
}

async function runWithBar<T>(
  run: (options: Required<RunOptions>) => Promise<T>,
  title: string,
): Promise<T> {
  const abort = new AbortController();
  const interrupt = (): void => {
    abort.abort();
  };
  const bar = new Bar(title);
  process.on('SIGINT', interrupt);
  try {
    const result = await run({ onProgress: bar.onProgress, signal: abort.signal });
    bar.end('done');
    return result;
  } catch (error) {
    bar.end(abort.signal.aborted ? 'stopped' : 'failed');
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
  }
}

/** The bar below a cell; outside a notebook only its last line is printed. */
class Bar {
  private readonly started = performance.now();
  private readonly display: LiveDisplay | undefined;
  private drawn = -Infinity;

  constructor(private readonly title: string) {
    this.display = inNotebook() ? displayLive(line(title)) : undefined;
  }

  readonly onProgress = (event: ProgressEvent): void => {
    const now = performance.now();
    if (now - this.drawn < UPDATE_INTERVAL_MS) return;
    this.drawn = now;
    this.display?.update(barOf(this.title, event, (now - this.started) / 1000));
  };

  end(outcome: 'done' | 'stopped' | 'failed'): void {
    const seconds = (performance.now() - this.started) / 1000;
    const text = `${this.title}: ${outcome} after ${formatSeconds(seconds)}`;
    if (this.display === undefined) process.stderr.write(`${text}\n`);
    else this.display.update(line(text));
  }
}

function line(text: string): MimeBundle {
  return { 'text/html': `<div>${escapeHtml(text)}</div>`, 'text/plain': text };
}

function barOf(title: string, event: ProgressEvent, seconds: number): MimeBundle {
  const share = event.total > 0 ? Math.min(1, event.done / event.total) : 0;
  const percent = Math.floor(100 * share);
  const text = `${title}: ${describe(event)}, ${formatSeconds(seconds)}`;
  const html = `<div><progress max="100" value="${percent}"></progress> ${escapeHtml(text)}</div>`;
  return { 'text/html': html, 'text/plain': `${percent} % ${text}` };
}

function describe(event: ProgressEvent): string {
  const { phase, note, secondsLeft } = event;
  const left = secondsLeft === undefined ? [] : [`about ${roughTime(secondsLeft)} left`];
  return [phase, amountText(event), ...left, ...(note === undefined ? [] : [note])].join(', ');
}

/** "12.3 s", "2:05 min". */
function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')} min`;
}
