import { parentPort, workerData } from 'node:worker_threads';
import { DescriptorStream } from './descriptor-stream.js';
import type { Host } from './host.js';
import { runCommandLine } from './run.js';

/** A terminal as the main thread sees it. */
export interface Terminal {
  readonly isTTY: boolean;
  readonly columns: number | undefined;
}

/** All that the thread of a command is started with; plain data. */
export interface CommandThreadData {
  readonly argv: readonly string[];
  readonly stdout: Terminal;
  readonly stderr: Terminal;
}

/** A message of the main thread. */
export type ToCommand =
  | { readonly kind: 'interrupt' }
  | { readonly kind: 'resized'; readonly stdout?: number; readonly stderr?: number };

/** A message to the main thread. */
export type FromCommand =
  { readonly kind: 'heard' } | { readonly kind: 'ended'; readonly code: number };

/** The process's streams, and the interrupts that the main thread passes on. */
function threadHost({ stdout, stderr }: CommandThreadData): Host {
  const out = new DescriptorStream(1, stdout.isTTY, stdout.columns);
  const err = new DescriptorStream(2, stderr.isTTY, stderr.columns);
  const listeners = new Set<() => void>();
  let interrupted = false;
  parentPort!.on('message', (message: ToCommand) => {
    if (message.kind === 'interrupt') {
      interrupted = true;
      for (const listener of listeners) listener();
      tell({ kind: 'heard' });
    } else {
      out.columns = message.stdout;
      err.columns = message.stderr;
    }
  });
  // Listening alone is no reason to stay.
  parentPort!.unref();
  return {
    stdout: out,
    stderr: err,
    onInterrupt: (listener) => {
      listeners.add(listener);
      if (interrupted) listener();
      return () => listeners.delete(listener);
    },
  };
}

function tell(message: FromCommand): void {
  parentPort!.postMessage(message);
}

const data = workerData as CommandThreadData;
void runCommandLine(data.argv, threadHost(data)).then((code) => {
  // Not `process.exit`: what is still on its way to a pipe would be lost.
  tell({ kind: 'ended', code });
});
