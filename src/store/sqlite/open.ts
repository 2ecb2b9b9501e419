import { mkdir, realpath, rename, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { StoreError } from '../../util/errors.js';
import { DamagedStoreError, LockedStoreError } from '../errors.js';
import { inspect } from '../inspect.js';
import type { MeasurementStore, SetAside } from '../types.js';
import { Connection } from './connection.js';
import { salvage, takeOver, type SalvagedRow } from './salvage.js';
import { configure, createTables, SCHEMA_VERSION, upgradeTables } from './schema.js';
import { SqliteStore } from './store.js';

/** Time that a call waits for another process's write, in milliseconds; a write takes about one. */
const BUSY_MS = 10_000;
/** Time to wait for others that are opening the same store, in milliseconds. */
const OPENING_MS = 60_000;
const OPENING_POLL_MS = 20;

/**
 * Opens the measurements in a file, or makes it. Any number of processes on one machine may share it
 * (SQLite's log does not work on network folders).
 *
 * A damaged file (not SQLite, truncated, tables missing, a value that does not fit its checksum) is renamed
 * to `<path>.damaged-<time>`, never deleted; what can still be read and checked is taken over into a fresh
 * store, and `setAside` of the result says so. Beside the store lies an empty `<path>.lock`, which
 * serializes opening.
 *
 * @throws {StoreError} when the folder or file cannot be made, read or written, when the file is a newer
 *   version's store or another program's database, or when opening takes others more than a minute.
 */
export async function openStore(path: string): Promise<MeasurementStore> {
  // SQLite puts its log beside what a link points to.
  const file = await realpath(path).catch(() => resolve(path));
  await makeFolder(file);
  const lock = await lockOpening(file);
  try {
    return await openAlone(file);
  } finally {
    lock.close();
  }
}

/** Looks at the file, sets it aside if need be, makes the tables: nobody else is opening meanwhile. */
async function openAlone(path: string): Promise<SqliteStore> {
  if ((await sizeOf(`${path}-wal`)) > 0 && (await sizeOf(path)) === 0) {
    // Before SQLite sees it: it deletes a log whose file is empty.
    const reason = `${path}: there is a log, but its file is gone or empty`;
    const setAside = { path: await moveAside(path), reason, recovered: 0 };
    return startStore(path, await Connection.open(path, BUSY_MS), 0, setAside);
  }
  const connection = await Connection.open(path, BUSY_MS);
  const found = lookThrough(connection, path);
  if (!(found instanceof DamagedStoreError)) return startStore(path, connection, found);
  try {
    const rows = salvage(connection);
    // Renamed while open: SQLite, closing a file, folds the log in and deletes it, but not of a
    // file that was moved. The evidence stays as it was found.
    const aside = await moveAside(path);
    const setAside = { path: aside, reason: found.message, recovered: rows.length };
    const fresh = await Connection.open(path, BUSY_MS);
    return startStore(path, fresh, 0, setAside, rows);
  } finally {
    connection.close();
  }
}

/** {@link inspect} with the damage as a result; on other errors the connection is closed. */
function lookThrough(connection: Connection, path: string): number | DamagedStoreError {
  try {
    return inspect(connection, path);
  } catch (error) {
    if (error instanceof DamagedStoreError) return error;
    connection.close();
    throw error;
  }
}

/** @param version schema version found, 0 where there are no tables yet */
function startStore(
  path: string,
  connection: Connection,
  version: number,
  setAside?: SetAside,
  rows: readonly SalvagedRow[] = [],
): SqliteStore {
  try {
    configure(connection);
    if (version === 0) createTables(connection);
    else if (version < SCHEMA_VERSION) upgradeTables(connection, version);
    takeOver(connection, rows);
    return new SqliteStore(path, connection, setAside);
  } catch (error) {
    connection.close();
    throw error;
  }
}

async function makeFolder(file: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
  } catch (cause) {
    const detail = { what: 'the folder cannot be made', where: dirname(file), got: String(cause) };
    throw new StoreError(detail, { cause });
  }
}

/**
 * Waits until no other process is opening this store. The lock is the kernel's on an empty SQLite
 * file: it goes when its holder dies, however that happens.
 */
async function lockOpening(file: string): Promise<Connection> {
  const lock = await Connection.open(`${file}.lock`, 0);
  const deadline = Date.now() + OPENING_MS;
  for (;;) {
    try {
      lock.exec('BEGIN EXCLUSIVE');
      return lock;
    } catch (error) {
      if (!(error instanceof LockedStoreError) || Date.now() > deadline) {
        lock.close();
        throw error;
      }
      await wait(OPENING_POLL_MS);
    }
  }
}

/** Size in bytes; 0 for what is not there. */
async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** Renames the file and what SQLite keeps beside it, and returns the file's new path. */
async function moveAside(path: string): Promise<string> {
  const time = new Date().toISOString().replace(/[-:.]/g, '');
  const aside = `${path}.damaged-${time}`;
  // The file last: as long as it is there under its name, nobody takes the place for a free one.
  for (const suffix of ['-journal', '-wal', '-shm', ''])
    try {
      await rename(path + suffix, aside + suffix);
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') continue;
      const what = 'the store is damaged and cannot be renamed';
      throw new StoreError({ what, where: path + suffix, got: String(cause) }, { cause });
    }
  return aside;
}
