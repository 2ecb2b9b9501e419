import { CommanderError, InvalidArgumentError } from 'commander';
import { UnmetSpeedError } from '../experiment/selection/speed-limit.js';
import { UnmetConstraintsError, UnreachableMemoryError } from '../search/nearest.js';
import { UnwritableStoreError } from '../store/errors.js';
import {
  AbortedError,
  errorMessage,
  OutputError,
  QslmError,
  UsageError,
  type ErrorDetail,
} from '../util/errors.js';

/** Exit codes, for scripts. */
export const EXIT = {
  ok: 0,
  /** A fault of the program itself. */
  defect: 1,
  /** A command line that is not understood. */
  usage: 2,
  /** A file, its content, or a backend that cannot be used. */
  input: 3,
  /** A full disk, a folder without permission. */
  output: 4,
  /** Limits that no plan of a search keeps; the nearest one, or the fastest, is named. */
  unmet: 5,
  /** Ctrl-C: 128 + SIGINT, as shells count. */
  interrupted: 130,
  /** The reader of the output is gone (`qslm … | head`): 128 + SIGPIPE. */
  readerGone: 141,
  /** SIGTERM, as shells count. */
  terminated: 143,
} as const;

/** For `--help`. */
export const EXIT_HELP = `Exit codes:
  0    done
  1    a defect of qslm; please report it
  2    the command line is not understood
  3    an input cannot be used: a file, its content, or the backend
  4    the output cannot be written
  5    no plan keeps the limits of a search
  130  interrupted (Ctrl-C)
  141  the reader of the output has closed it (qslm … | head)
  143  asked to end (SIGTERM)`;

/** The reader of the standard output has closed it. Nothing is wrong, and there is nobody to tell. */
export class ReaderGoneError extends Error {}

const UNMET = [UnmetConstraintsError, UnreachableMemoryError, UnmetSpeedError] as const;

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof ReaderGoneError) return EXIT.readerGone;
  if (error instanceof AbortedError) return EXIT.interrupted;
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof OutputError || error instanceof UnwritableStoreError) return EXIT.output;
  if (UNMET.some((kind) => error instanceof kind)) return EXIT.unmet;
  return error instanceof QslmError ? EXIT.input : EXIT.defect;
}

/**
 * The text to print for an error: one message; with `debug` the stack and the causes too. Nothing for
 * those that were told already, or that nobody waits for.
 *
 * @param flags of options by their names, which errors of the library call them by
 */
export function errorText(
  error: unknown,
  debug: boolean,
  flags: ReadonlyMap<string, string> = new Map(),
): string | undefined {
  if (error instanceof ReaderGoneError) return undefined;
  // Commander has printed its own.
  if (error instanceof CommanderError && !(error instanceof InvalidArgumentError)) return undefined;
  if (debug) return `${inspectError(error)}\n`;
  if (error instanceof AbortedError) return 'interrupted; nothing half-written is left\n';
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof QslmError) return `error: ${withFlags(error.detail, flags)}\n`;
  return `error: this is a defect of qslm: ${message}\n  run again with --debug for the details, and please report them\n`;
}

/** The message with options as they are typed: `pooling` is --pooling. */
function withFlags(detail: ErrorDetail, flags: ReadonlyMap<string, string>): string {
  const where = flags.get(detail.where) ?? detail.where;
  return errorMessage({ ...detail, where }).replace(
    /`(\w+)`/g,
    (quoted, name: string) => flags.get(name) ?? quoted,
  );
}

function inspectError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by ${inspectError(error.cause)}`;
}
