import { OutputError, throwIfAborted } from '../util/errors.js';
import { saveFile } from '../util/files.js';
import { yieldToEvents, type ProgressListener, type RunOptions } from '../util/progress.js';
import { systemCode, systemReason } from '../util/system-errors.js';
import { ReaderGoneError } from './exit-codes.js';
import { lineText, terminalText } from './format/terminal.js';
import { progressFor, type Host } from './host.js';
import type { ProgressDisplay } from './progress.js';

/** Options that every command has. */
export interface CommonFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** A file for the result as JSON, or where the command says so something else. */
  readonly out?: string;
}

/**
 * A command while it runs: where its result goes, how it tells of its progress, how it learns that it
 * shall stop. The result goes to the standard output; everything else to the standard error.
 */
export class Session {
  private readonly abort = new AbortController();
  private readonly progress: ProgressDisplay;
  readonly signal: AbortSignal = this.abort.signal;
  readonly onProgress: ProgressListener;
  /** Options that long work is called with. */
  readonly run: RunOptions;

  private constructor(
    private readonly host: Host,
    private readonly flags: CommonFlags,
  ) {
    this.progress = progressFor(host, flags.quiet ?? false);
    const { onProgress } = this.progress;
    this.onProgress = (event) => {
      const { note } = event;
      onProgress(note === undefined ? event : { ...event, note: lineText(note) });
    };
    this.run = { onProgress: this.onProgress, signal: this.signal };
  }

  /**
   * Runs a command. Ctrl-C asks it to stop (a second one is the supervisor's).
   *
   * @throws {AbortedError} also where the command was through when it heard.
   */
  static async run(
    host: Host,
    flags: CommonFlags,
    body: (session: Session) => Promise<void>,
  ): Promise<void> {
    const session = new Session(host, flags);
    const stopListening = host.onInterrupt(() => {
      session.interrupt();
    });
    try {
      await body(session);
      await session.requireWanted();
    } finally {
      stopListening();
      session.progress.clear();
    }
  }

  private interrupt(): void {
    this.progress.clear();
    if (this.abort.signal.aborted) return;
    this.host.stderr.write('\nstopping; Ctrl-C again ends at once\n');
    this.abort.abort();
  }

  /** @throws {AbortedError} once it was asked to stop, also while there was no time to hear it. */
  private async requireWanted(): Promise<void> {
    await yieldToEvents();
    throwIfAborted(this.signal, 'the command');
  }

  /** Tells what is going on; not with `--quiet`. */
  note(text: string): void {
    if (this.flags.quiet === true) return;
    this.progress.clear();
    this.host.stderr.write(`${terminalText(text)}\n`);
  }

  /** Tells what is not as it should be; `--quiet` does not hide it. */
  warn(text: string): void {
    this.progress.clear();
    this.host.stderr.write(`warning: ${terminalText(text)}\n`);
  }

  /** A remark of the library, which calls options by their names: `heldOut` is --held-out. */
  readonly remark = (text: string): void => {
    const flag = (_: string, name: string): string =>
      `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    this.warn(text.replace(/`(\w+)`/g, flag));
  };

  /** Text of a result for people; with `--json` nothing. */
  async print(text: string): Promise<void> {
    if (this.flags.json !== true) await this.write(text);
  }

  /**
   * The result: text for people, or with `--json` the value, on the standard output.
   *
   * @param out a file that gets the value too.
   * @throws {OutputError} when either cannot be written. {AbortedError} when nobody waits for it any more.
   */
  async result(value: object, text: string, out?: string): Promise<void> {
    await this.requireWanted();
    const json = `${JSON.stringify(value, null, 2)}\n`;
    if (out !== undefined) await saveFile(out, json);
    this.progress.clear();
    await this.write(this.flags.json === true ? json : `${text}\n`);
  }

  private async write(text: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.host.stdout.write(terminalText(text), (error) => {
        if (error == null) resolve();
        else reject(asWriteError(error));
      });
    });
  }
}

function asWriteError(error: Error): Error {
  if (systemCode(error) === 'EPIPE') return new ReaderGoneError();
  return new OutputError(
    {
      what: 'cannot write',
      where: 'standard output',
      got: systemReason(error),
      expected: 'a writable output',
    },
    { cause: error },
  );
}
