import { rmSync, write } from 'node:fs';
import type { WriteStream } from 'node:tty';
import { Worker } from 'node:worker_threads';
import { withFilesNamed, withMemoryNamed } from '../util/errors.js';
import { watchPartials } from '../util/files.js';
import { packagePath } from '../util/paths.js';
import type { CommandThreadData, FromCommand, Terminal, ToCommand } from './command-thread.js';
import { errorText, EXIT, exitCodeOf } from './exit-codes.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
type Signal = (typeof SIGNALS)[number];

/** Milliseconds after which a request to stop counts as not heard yet. */
const HEARING_MS = 300;
/** As it was built, also for this module as a source: a thread cannot begin with one. */
const COMMAND_THREAD = packagePath('dist', 'cli', 'command-thread.js');
const SHOW_CURSOR = '\x1b[?25h';

/**
 * Runs a command line in a thread of its own, and the process to its end. This thread does nothing else, so
 * that it hears Ctrl-C whatever the command is at: an endless loop, a pipe that nobody writes to. The first
 * one (or SIGTERM) asks the command to stop, the second one ends the process by that very signal, which needs
 * no thread to agree. A command that was asked to stop never ends with 0.
 *
 * @param argv the arguments after the program's name.
 */
export function supervise(argv: readonly string[]): void {
  const partials = watchPartials();
  const { stdout, stderr } = process;
  const workerData: CommandThreadData = {
    argv,
    stdout: terminalOf(stdout),
    stderr: terminalOf(stderr),
  };
  const worker = new Worker(COMMAND_THREAD, { workerData });
  const send = (message: ToCommand): void => {
    worker.postMessage(message);
  };
  for (const stream of [stdout, stderr])
    stream.on('resize', () => {
      send({ kind: 'resized', stdout: stdout.columns, stderr: stderr.columns });
    });

  let asked: Signal | undefined;
  let waiting: NodeJS.Timeout | undefined;
  for (const signal of SIGNALS)
    process.on(signal, () => {
      if (asked !== undefined) {
        endAtOnce(signal, partials, stderr.isTTY);
        return;
      }
      asked = signal;
      send({ kind: 'interrupt' });
      waiting = setTimeout(() => {
        tell('\nstopping after the step under way; Ctrl-C again ends at once\n');
      }, HEARING_MS);
    });

  let code: number | undefined;
  worker.on('message', (message: FromCommand) => {
    clearTimeout(waiting);
    if (message.kind === 'ended') code = message.code;
  });
  worker.on('error', (thrown) => {
    const expected = 'less at a time: --limit, a smaller --context or model, fewer --workers';
    const error = withFilesNamed(
      withMemoryNamed(thrown, 'qslm', 'more than the engine has', expected),
    );
    code = exitCodeOf(error);
    tell(errorText(error, argv.includes('--debug')) ?? '');
  });
  worker.on('exit', () => {
    clearTimeout(waiting);
    partials.stop();
    process.exitCode = endCode(code ?? EXIT.defect, asked);
  });
}

function endCode(code: number, asked: Signal | undefined): number {
  if (asked === undefined || (code !== EXIT.ok && code !== EXIT.interrupted)) return code;
  return asked === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted;
}

/**
 * Ends the process as the signal does by itself. `process.exit` would wait for calls into the operating system
 * that never return.
 */
function endAtOnce(signal: Signal, partials: Iterable<string>, isTTY: boolean): void {
  // A file that is being written is under another name, so even this leaves none half-written.
  for (const path of partials) rmSync(path, { recursive: true, force: true });
  const end = (): void => {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  };
  // A bar hides the cursor, and its thread has no time to show it.
  if (!isTTY) end();
  else write(2, SHOW_CURSOR, end);
}

function terminalOf({ isTTY, columns }: Partial<Pick<WriteStream, 'isTTY' | 'columns'>>): Terminal {
  return { isTTY: isTTY === true, columns };
}

function tell(text: string): void {
  write(2, text, () => undefined);
}
