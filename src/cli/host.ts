import { BarDisplay, LineDisplay, NO_PROGRESS, type ProgressDisplay } from './progress.js';

/** The surroundings that a command line runs in: the thread of a process, or a test. */
export interface Host {
  readonly stdout: NodeJS.WritableStream & { readonly columns?: number | undefined };
  readonly stderr: NodeJS.WritableStream & {
    readonly isTTY?: boolean;
    readonly columns?: number | undefined;
  };
  /** Calls back on Ctrl-C or a request to end, also on one of before. @returns a function that stops listening. */
  onInterrupt(listener: () => void): () => void;
}

/** A bar on a terminal, lines elsewhere, nothing where quiet is wanted. */
export function progressFor(host: Host, quiet: boolean): ProgressDisplay {
  if (quiet) return NO_PROGRESS;
  return host.stderr.isTTY === true ? new BarDisplay(host.stderr) : new LineDisplay(host.stderr);
}
