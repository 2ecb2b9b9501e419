import { BarDisplay, LineDisplay, NO_PROGRESS, type ProgressDisplay } from './progress.js';

/** The surroundings that a command line runs in: the process, or a test. */
export interface Host {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Calls back on each Ctrl-C or request to end. @returns a function that stops listening. */
  onInterrupt(listener: () => void): () => void;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** The process's streams and signals. */
export function processHost(): Host {
  for (const stream of [process.stdout, process.stderr])
    // Failures come back through the callback of each write; without a listener they would end the process.
    stream.on('error', () => undefined);
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    onInterrupt: (listener) => {
      for (const signal of SIGNALS) process.on(signal, listener);
      return () => {
        for (const signal of SIGNALS) process.off(signal, listener);
      };
    },
  };
}

/** A bar on a terminal, lines elsewhere, nothing where quiet is wanted. */
export function progressFor(host: Host, quiet: boolean): ProgressDisplay {
  if (quiet) return NO_PROGRESS;
  return host.stderr.isTTY === true ? new BarDisplay(host.stderr) : new LineDisplay(host.stderr);
}
