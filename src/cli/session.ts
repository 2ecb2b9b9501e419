import { OutputError } from '../util/errors.js';
import { saveFile } from '../util/files.js';
import type { ProgressListener, RunOptions } from '../util/progress.js';
import { EXIT, ReaderGoneError } from './exit-codes.js';
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
  readonly json: boolean;
  private readonly quiet: boolean;
  private readonly abort = new AbortController();
  private readonly progress: ProgressDisplay;

  private constructor(
    private readonly host: Host,
    { json = false, quiet = false }: CommonFlags,
  ) {
    this.json = json;
    this.quiet = quiet;
    this.progress = progressFor(host, quiet);
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
    // What was being written is under another name, so even this leaves no half-written file.
    if (this.abort.signal.aborted) process.exit(EXIT.interrupted);
    this.host.stderr.write('\nstopping; Ctrl-C again ends at once\n');
    this.abort.abort();
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  get onProgress(): ProgressListener {
    return this.progress.onProgress;
  }

  /** What long work is called with. */
  get run(): RunOptions {
    return { onProgress: this.onProgress, signal: this.signal };
  }

  /** Tells what is going on; not with `--quiet`. */
  note(text: string): void {
    if (this.quiet) return;
    this.progress.clear();
    this.host.stderr.write(`${text}\n`);
  }

  /** Tells what is not as it should be; `--quiet` does not hide it. */
  warn(text: string): void {
    this.progress.clear();
    this.host.stderr.write(`warning: ${text}\n`);
  }

  /** Text of a result for people; with `--json` nothing. */
  async print(text: string): Promise<void> {
    if (!this.json) await this.write(text);
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
    await this.write(this.json ? json : `${text}\n`);
  }

  private async write(text: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.host.stdout.write(text, (error) => {
        if (error == null) resolve();
        else reject(asWriteError(error));
      });
    });
  }
}

function asWriteError(error: Error): Error {
  const code = 'code' in error ? String(error.code) : error.message;
  if (code === 'EPIPE') return new ReaderGoneError();
  return new OutputError(
    { what: 'cannot write', where: 'standard output', got: code, expected: 'a writable output' },
    { cause: error },
  );
}
