import { StoreError, type ErrorDetail } from '../util/errors.js';

/** What is on disk is not what was put there. {@link openStore} sets such a file aside. */
export class DamagedStoreError extends StoreError {}

/** Another process has been writing for longer than the busy timeout. */
export class LockedStoreError extends StoreError {}

interface Cause {
  readonly prefix: string;
  readonly make: (detail: ErrorDetail, options: ErrorOptions) => StoreError;
  readonly what: string;
  readonly expected?: string;
}

const plain = (detail: ErrorDetail, options: ErrorOptions) => new StoreError(detail, options);
const damaged = (detail: ErrorDetail, options: ErrorOptions) =>
  new DamagedStoreError(detail, options);
const locked = (detail: ErrorDetail, options: ErrorOptions) =>
  new LockedStoreError(detail, options);

/**
 * SQLite's result codes by the start of their name, extended codes included
 * (sqlite.org/rescode.html).
 */
const CAUSES: readonly Cause[] = [
  { prefix: 'SQLITE_BUSY', make: locked, what: 'locked by another process' },
  { prefix: 'SQLITE_LOCKED', make: locked, what: 'locked by another connection' },
  { prefix: 'SQLITE_FULL', make: plain, what: 'cannot write: no space left on the disk' },
  {
    prefix: 'SQLITE_READONLY',
    make: plain,
    what: 'cannot write',
    expected: 'a file and a folder that can be written',
  },
  {
    prefix: 'SQLITE_CANTOPEN',
    make: plain,
    what: 'cannot be opened',
    expected: 'a file in a folder that can be written',
  },
  { prefix: 'SQLITE_PERM', make: plain, what: 'no permission' },
  { prefix: 'SQLITE_IOERR', make: plain, what: 'the disk failed or is full' },
  { prefix: 'SQLITE_NOTADB', make: damaged, what: 'is not a SQLite file' },
  { prefix: 'SQLITE_CORRUPT', make: damaged, what: 'is damaged' },
];

/**
 * Puts an error of the driver in our words; what is not the disk's or the user's doing is passed
 * on.
 */
export function asStoreError(error: unknown, where: string): unknown {
  if (!(error instanceof Error)) return error;
  const code = 'code' in error ? String(error.code) : '';
  const cause = CAUSES.find(({ prefix }) => code.startsWith(prefix));
  // Opening fails with SQLite's number in the text and no code: 14 is SQLITE_CANTOPEN.
  const cannotOpen = code === '' && error.message.startsWith('ConnectionFailed');
  const { make, what, expected } =
    cause ?? (cannotOpen ? CAUSES.find(({ prefix }) => prefix === 'SQLITE_CANTOPEN')! : {});
  if (make === undefined || what === undefined) return error;
  const got = cannotOpen ? error.message : `${code} (${error.message})`;
  return make(
    { what, where, got, ...(expected === undefined ? {} : { expected }) },
    { cause: error },
  );
}
