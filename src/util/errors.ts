/** The content of every error of this package: the fault, its place, what was found, what was expected. */
export interface ErrorDetail {
  /** The fault in a few words: "tensor is missing". */
  readonly what: string;
  /** The file, tensor, option or line it was found in. */
  readonly where: string;
  readonly got?: string;
  readonly expected?: string;
}

/**
 * The content in one line. Options are called by their names: alone as the place, in backticks elsewhere.
 */
export function errorMessage({ what, where, got, expected }: ErrorDetail): string {
  let text = `${cut(where)}: ${cut(what)}`;
  if (got !== undefined) text += `; got ${cut(got)}`;
  if (expected !== undefined) text += `; expected ${cut(expected)}`;
  return text;
}

/** The longest part of a message: lists of faults take less, and a file's content must not flood a terminal. */
const LONGEST_PART = 4000;

function cut(part: string): string {
  return part.length <= LONGEST_PART ? part : `${part.slice(0, LONGEST_PART)}…`;
}

/** The base of every error thrown on purpose. Anything else that escapes is a defect. */
export class QslmError extends Error {
  readonly detail: ErrorDetail;

  constructor(detail: ErrorDetail, options?: ErrorOptions) {
    super(errorMessage(detail), options);
    this.name = new.target.name;
    this.detail = detail;
  }
}

/** A checkpoint file that cannot be read: format, truncation, forbidden pickle content, shapes, NaN. */
export class CheckpointError extends QslmError {}
/** A tokenizer file that cannot be read, or text it cannot represent. */
export class TokenizerError extends QslmError {}
/** Evaluation data that cannot be used: no header, wrong label, empty text. */
export class DataError extends QslmError {}
/** A file that cannot be fetched: refused, missing, damaged on the way, or nothing to fetch it over. */
export class FetchError extends QslmError {}
/** A bit width, scheme or plan that makes no sense. */
export class QuantError extends QslmError {}
/** A compute backend that is unknown, or does not start. */
export class BackendError extends QslmError {}
/** A configuration or an input that the model cannot run. */
export class ModelError extends QslmError {}
/** A search that cannot be run, or whose constraints nothing meets. */
export class SearchError extends QslmError {}
/** Operations or energy that cannot be worked out from what was given. */
export class EnergyError extends QslmError {}
/** A measurement store that is damaged, locked or from another version. */
export class StoreError extends QslmError {}
/** A file that could not be written; nothing half-written is left. */
export class OutputError extends QslmError {}
/** A figure that cannot be drawn from the records given. */
export class PlotError extends QslmError {}
/** More memory asked for than there is; says what would fit. */
export class MemoryError extends QslmError {}
/** A queue that work cannot be shared over: not there, not fit, no worker that computes alike. */
export class QueueError extends QslmError {}
/** A limit of the operating system that is reached. */
export class SystemLimitError extends QslmError {}
/** A command line or an option that is not understood. */
export class UsageError extends QslmError {}

/** Work stopped by the caller's AbortSignal (Ctrl-C, a notebook's interrupt). */
export class AbortedError extends QslmError {
  constructor(where: string) {
    super({ what: 'stopped on request', where });
  }
}

/** Checks a signal. @throws {AbortedError} when it has fired. */
export function throwIfAborted(signal: AbortSignal | undefined, where: string): void {
  if (signal?.aborted) throw new AbortedError(where);
}

/** The engine's words for it; none of these is thrown for anything else by what is called here. */
const OUT_OF_MEMORY =
  /memory access out of bounds|out of memory|Invalid typed array length|Invalid (?:array|string) length|allocation failed|allocate (?:Wasm )?memory/i;

/**
 * An error of the engine that means a lack of memory as one that says so; any other as it is.
 *
 * @param got what was being held: "a batch of 1 × 100,000 tokens"
 * @param expected what would fit
 */
export function withMemoryNamed(
  error: unknown,
  where: string,
  got: string,
  expected: string,
): unknown {
  if (!(error instanceof Error) || error instanceof QslmError) return error;
  if (!OUT_OF_MEMORY.test(error.message)) return error;
  const detail = { what: 'out of memory', where, got: `${got} (${error.message})`, expected };
  return new MemoryError(detail, { cause: error });
}

/** Node's words for it, and those of libraries in Rust. */
const TOO_MANY_FILES = /\bE[MN]FILE\b|too many open files/i;

/** An error that means too many open files as one that says so; any other as it is. */
export function withFilesNamed(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof QslmError) return error;
  if (!TOO_MANY_FILES.test(error.message)) return error;
  const what = 'too many files are open';
  const expected = 'a higher limit (ulimit -n), or fewer --workers';
  return new SystemLimitError(
    { what, where: 'the process', got: error.message, expected },
    { cause: error },
  );
}

/** An error as plain data: structured clones between threads lose the class and its fields. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of a {@link QslmError}. */
  readonly detail: ErrorDetail | undefined;
}

const CLASSES = [
  CheckpointError,
  TokenizerError,
  DataError,
  FetchError,
  QuantError,
  BackendError,
  ModelError,
  SearchError,
  EnergyError,
  StoreError,
  OutputError,
  PlotError,
  MemoryError,
  QueueError,
  SystemLimitError,
  UsageError,
];

/** An error, or whatever else was thrown, as plain data. */
export function toPlainError(error: unknown): PlainError {
  if (!(error instanceof Error))
    return { name: 'Error', message: String(error), stack: undefined, detail: undefined };
  const detail = error instanceof QslmError ? error.detail : undefined;
  return { name: error.name, message: error.message, stack: error.stack, detail };
}

/** The error that {@link toPlainError} was made of, of the same class, with the stack of its origin. */
export function fromPlainError({ name, message, stack, detail }: PlainError): Error {
  const Class = CLASSES.find((one) => one.name === name);
  const error = Class && detail ? new Class(detail) : new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
