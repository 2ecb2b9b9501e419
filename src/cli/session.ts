import { OutputError } from '../util/errors.js';
import { saveFile } from '../util/files.js';
import type { ProgressListener, RunOptions } from '../util/progress.js';
import { systemCode, systemReason } from '../util/system-errors.js';
import { EXIT, ReaderGoneError } from './exit-codes.js';
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

  /** Runs a command. The first Ctrl-C asks it to stop, the second one ends the process. */
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
    } finally {
      stopListening();
      session.progress.clear();
    }
  }

  private interrupt(): void {
    this.progress.clear();
    // A file that is being written is under another name, so even this leaves none half-written.
    if (this.abort.signal.aborted) process.exit(EXIT.interrupted);
    this.host.stderr.write('\nstopping; Ctrl-C again ends at once\n');
    this.abort.abort();
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
   * @throws {OutputError} when either cannot be written.
   */
  async result(value: object, text: string, out?: string): Promise<void> {
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
