import { removePartials } from './folders.js';
import { endPrograms, SetupError, UnavailableError } from './machine.js';

/** Ends the process at Ctrl-C and its like, and with it the programs it runs and what is not complete. */
export function endOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      endPrograms();
      removePartials();
      process.exit(130);
    });
}

/** For scripts that skip what a machine cannot have: sysexits' EX_UNAVAILABLE. */
const UNAVAILABLE = 69;

/** Says what failed and what to do, and leaves an exit code. @throws what is no {@link SetupError} */
export function explain(error: unknown): void {
  if (!(error instanceof SetupError)) throw error;
  console.error(`
error: ${error.message}
  What to do: ${error.remedy}.
  Nothing else has changed: qslm goes on with its other backends (qslm doctor shows them).`);
  process.exitCode = error instanceof UnavailableError ? UNAVAILABLE : 1;
}
