import { SingleBar } from 'cli-progress';
import {
  formatBytes,
  formatDuration,
  formatPercent,
  formatRate,
  roughTime,
} from '../util/format.js';
import { amountText, type ProgressEvent, type ProgressListener } from '../util/progress.js';

/** Shows the progress of one piece of work after another. */
export interface ProgressDisplay {
  readonly onProgress: ProgressListener;
  /** Takes the display off the screen, so that something else can be printed. */
  clear(): void;
}

/** For `--quiet`. */
export const NO_PROGRESS: ProgressDisplay = { onProgress: () => undefined, clear: () => undefined };

/** Seconds of work before the rate says anything. */
const SETTLED_SECONDS = 0.5;

/** Elapsed time of the phase that is running. A phase is over when another begins. */
class PhaseClock {
  private phase: string | undefined;
  private started = 0;
  private doneBefore = 0;

  constructor(private readonly now: () => number) {}

  /** @returns true where the event begins a phase. */
  see({ phase, done }: ProgressEvent): boolean {
    if (phase === this.phase) return false;
    [this.phase, this.started, this.doneBefore] = [phase, this.now(), done];
    return true;
  }

  end(): void {
    this.phase = undefined;
  }

  /** "7,200 tokens/s, 1:23 min left"; empty until there is something to say. */
  pace({ done, total, unit, secondsLeft }: ProgressEvent): string {
    if (secondsLeft !== undefined) return `about ${roughTime(secondsLeft)} left`;
    const seconds = (this.now() - this.started) / 1000;
    const rate = (done - this.doneBefore) / seconds;
    if (seconds < SETTLED_SECONDS || rate <= 0) return '';
    const perSecond = unit === 'bytes' ? formatBytes(rate) : `${formatRate(rate)} ${unit}`;
    return `${perSecond}/s, ${formatDuration((total - done) / rate)} left`;
  }
}

function describe(event: ProgressEvent, pace: string): string {
  const { note } = event;
  return [amountText(event), pace, note]
    .filter((part) => part !== undefined && part !== '')
    .join(', ');
}

/** A bar that is redrawn in place, for a terminal. */
export class BarDisplay implements ProgressDisplay {
  private readonly clock: PhaseClock;
  private bar: SingleBar | undefined;

  constructor(
    private readonly stream: NodeJS.WritableStream,
    now: () => number = () => performance.now(),
  ) {
    this.clock = new PhaseClock(now);
  }

  readonly onProgress = (event: ProgressEvent): void => {
    if (this.clock.see(event)) this.stopBar();
    const { phase, done, total } = event;
    const payload = { phase, text: describe(event, this.clock.pace(event)) };
    if (this.bar === undefined) {
      this.bar = new SingleBar({
        stream: this.stream,
        format: '{phase} {bar} {percentage} %  {text}',
        barsize: 20,
        barCompleteChar: '█',
        barIncompleteChar: '░',
        clearOnComplete: true,
        hideCursor: true,
        fps: 8,
        // Ours hears Ctrl-C and clears the bar; the library's listener would leave no time for it.
        gracefulExit: false,
      });
      this.bar.start(total, done, payload);
    } else {
      this.bar.setTotal(total);
      this.bar.update(done, payload);
    }
    if (done >= total) this.clear();
  };

  clear(): void {
    this.stopBar();
    this.clock.end();
  }

  private stopBar(): void {
    this.bar?.stop();
    this.bar = undefined;
  }
}

/** Milliseconds between two lines of a log. */
const LINE_INTERVAL_MS = 5000;

/** A line now and then, for a log or a pipe. Work that is over sooner leaves no line. */
export class LineDisplay implements ProgressDisplay {
  private readonly clock: PhaseClock;
  private last: number;

  constructor(
    private readonly stream: NodeJS.WritableStream,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.clock = new PhaseClock(now);
    this.last = now();
  }

  readonly onProgress = (event: ProgressEvent): void => {
    this.clock.see(event);
    const time = this.now();
    if (time - this.last < LINE_INTERVAL_MS) return;
    this.last = time;
    const share = formatPercent(event.done / Math.max(1, event.total), 0);
    this.stream.write(`${event.phase}: ${share}, ${describe(event, this.clock.pace(event))}\n`);
  };

  clear(): void {
    // Lines stay.
  }
}
