import { StoreError } from '../util/errors.js';

/** A file that is not as it was written. {@link openStore} sets it aside. */
export class DamagedStoreError extends StoreError {}

/** A store that cannot be written: a full disk, no permission. */
export class UnwritableStoreError extends StoreError {}

/** Another process has been writing for longer than the busy timeout. */
export class LockedStoreError extends StoreError {}

interface Cause {
  readonly prefix: string;
  readonly Class: typeof StoreError;
  readonly what: string;
  readonly expected?: string;
}

/** SQLite's result codes by the start of their name, extended codes included (sqlite.org/rescode.html). */
const CAUSES: readonly Cause[] = [
  { prefix: 'SQLITE_BUSY', Class: LockedStoreError, what: 'locked by another process' },
  { prefix: 'SQLITE_LOCKED', Class: LockedStoreError, what: 'locked by another connection' },
  {
    prefix: 'SQLITE_FULL',
    Class: UnwritableStoreError,
    what: 'cannot write: no space left on the disk',
  },
  {
    prefix: 'SQLITE_READONLY',
    Class: UnwritableStoreError,
    what: 'cannot write',
    expected: 'a file and a folder that can be written',
  },
  {
    prefix: 'SQLITE_CANTOPEN',
    Class: UnwritableStoreError,
    what: 'cannot be opened',
    expected: 'a file in a folder that can be written',
  },
  { prefix: 'SQLITE_PERM', Class: UnwritableStoreError, what: 'no permission' },
  { prefix: 'SQLITE_IOERR', Class: UnwritableStoreError, what: 'the disk failed or is full' },
  { prefix: 'SQLITE_NOTADB', Class: DamagedStoreError, what: 'is not a SQLite file' },
  { prefix: 'SQLITE_CORRUPT', Class: DamagedStoreError, what: 'is damaged' },
];

/** Puts an error of the driver in our words; what is not the disk's or the user's doing is passed on. */
export function asStoreError(error: unknown, where: string): unknown {
  if (!(error instanceof Error)) return error;
  const code = 'code' in error ? String(error.code) : '';
  // Opening fails with SQLite's number in the text and no code: 14 is SQLITE_CANTOPEN.
  const cannotOpen = code === '' && error.message.startsWith('ConnectionFailed');
  const name = cannotOpen ? 'SQLITE_CANTOPEN' : code;
  const cause = CAUSES.find(({ prefix }) => name.startsWith(prefix));
  if (cause === undefined) return error;
  const { Class, what, expected } = cause;
  const got = cannotOpen ? error.message : `${code} (${error.message})`;
  const detail = { what, where, got, ...(expected !== undefined && { expected }) };
  return new Class(detail, { cause: error });
}
