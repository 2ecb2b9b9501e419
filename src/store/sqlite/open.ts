import { copyFile, mkdtemp, realpath, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { makeFolder } from '../../util/files.js';
import { DamagedStoreError, LockedStoreError, UnwritableStoreError } from '../errors.js';
import { inspect } from '../inspect.js';
import { whenUnlocked, type Tell } from '../patience.js';
import type { MeasurementStore, SetAside } from '../types.js';
import { Connection } from './connection.js';
import { logFault } from './log.js';
import { headerFault, lyingAt, repairHeader } from './marks.js';
import { salvage, takeOver, type SalvagedRow } from './salvage.js';
import { configure, createTables, SCHEMA_VERSION, upgradeTables } from './schema.js';
import { SqliteStore } from './store.js';

/**
 * Time that one attempt waits for another process's write, in milliseconds; a write takes about one. Short,
 * since nothing else happens in the process meanwhile; patience.ts tries again.
 */
const BUSY_MS = 500;
/** Time to wait for others that are opening the same store, in milliseconds. */
const OPENING_MS = 60_000;
const OPENING_POLL_MS = 20;

/** Options of {@link openStore}. */
export interface OpenStoreOptions {
  /** Told when the store is locked and waited for, and when it had to be made anew while it was open. */
  readonly tell?: Tell;
  /** Stops waiting for a lock. */
  readonly signal?: AbortSignal;
}

/**
 * Opens the measurements in a file, or makes it. Any number of processes on one machine may share it
 * (SQLite's log does not work on network folders).
 *
 * A store of ours that is damaged (truncated, tables missing, a value that does not fit its checksum) is
 * renamed to `<path>.damaged-<time>`, never deleted; what can still be read and checked is taken over into a
 * fresh store, and `setAside` of the result says so. Of a damaged log a copy is kept. Anything else at the
 * path stays as it is. Beside the store lies an empty `<path>.lock`, which serializes opening.
 *
 * @throws {StoreError} when the folder or file cannot be made, read or written, when what lies there is no
 *   store of ours or a newer version's, when opening takes others more than a minute, or another program
 *   keeps the store locked for ten. {AbortedError} when the signal fires while waiting.
 */
export async function openStore(
  path: string,
  options: OpenStoreOptions = {},
): Promise<MeasurementStore> {
  // SQLite puts its log beside what a link points to.
  const file = await realpath(path).catch(() => resolve(path));
  await makeFolderOf(file);
  // Before anything is made beside it.
  lyingAt(file);
  const lock = await lockOpening(file);
  try {
    return await whenUnlocked(() => openAlone(file, options.tell), options);
  } finally {
    lock.close();
  }
}

/** Looks at the file, sets it aside if need be, makes the tables: nobody else is opening meanwhile. */
async function openAlone(path: string, tell: Tell | undefined): Promise<SqliteStore> {
  if (lyingAt(path) === 'log without file') {
    // Before SQLite sees it: it deletes a log whose file is empty.
    const reason = `${path}: there is a log, but its file is gone or empty`;
    const aside = await moveAside(path);
    const setAside = { part: 'store', path: aside, reason, recovered: 0 } as const;
    return startStore(path, await Connection.open(path, BUSY_MS), 0, { setAside, tell });
  }
  const connection = await Connection.open(path, BUSY_MS);
  const found = lookThrough(connection, path);
  if (!(found instanceof DamagedStoreError)) {
    const setAside = await checkLog(connection, path);
    return startStore(path, connection, found, { setAside, tell });
  }
  try {
    const read = salvage(connection);
    const rows = read.length > 0 ? read : await salvageRepaired(path);
    // Renamed while open: SQLite, closing a file, folds the log in and deletes it, but not of a
    // file that was moved. The evidence stays as it was found.
    const aside = await moveAside(path);
    const setAside = {
      part: 'store',
      path: aside,
      reason: found.message,
      recovered: rows.length,
    } as const;
    const fresh = await Connection.open(path, BUSY_MS);
    return startStore(path, fresh, 0, { setAside, tell, rows });
  } finally {
    connection.close();
  }
}

/** Looks through the log, in which SQLite passes over what is damaged; keeps a copy of one that is. */
async function checkLog(connection: Connection, path: string): Promise<SetAside | undefined> {
  const log = `${path}-wal`;
  if ((await sizeOf(log)) === 0) return undefined;
  try {
    connection.exec('BEGIN IMMEDIATE');
  } catch (error) {
    // For those who only read: what is not written to is not checked.
    if (error instanceof UnwritableStoreError) return undefined;
    connection.close();
    throw error;
  }
  try {
    const reason = await logFault(log);
    if (reason === undefined) return undefined;
    const aside = `${log}.damaged-${timeNow()}`;
    await copyFile(log, aside);
    return { part: 'log', path: aside, reason: `${path}: ${reason}`, recovered: 0 };
  } catch (cause) {
    const detail = { what: 'the log is damaged and cannot be copied', where: log };
    throw new UnwritableStoreError({ ...detail, got: String(cause) }, { cause });
  } finally {
    connection.exec('ROLLBACK');
  }
}

/** The rows of a copy whose header is put in order: SQLite reads nothing where a byte of it is wrong. */
async function salvageRepaired(path: string): Promise<SalvagedRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'qslm-salvage-'));
  const copy = join(folder, 'store.sqlite');
  try {
    await copyFile(path, copy);
    if ((await sizeOf(`${path}-wal`)) > 0) await copyFile(`${path}-wal`, `${copy}-wal`);
    repairHeader(copy);
    const connection = await Connection.open(copy, 0);
    try {
      return salvage(connection);
    } finally {
      connection.close();
    }
  } catch {
    // No room for a copy, or SQLite does not take the file even so.
    return [];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** {@link inspect} with the damage as a result; on other errors the connection is closed. */
function lookThrough(connection: Connection, path: string): number | DamagedStoreError {
  try {
    const fault = headerFault(path);
    if (fault !== undefined) return new DamagedStoreError({ what: fault, where: path });
    return inspect(connection, path);
  } catch (error) {
    if (error instanceof DamagedStoreError) return error;
    connection.close();
    throw error;
  }
}

/** The beginnings of a store, beside its file. */
interface Beginning {
  readonly setAside: SetAside | undefined;
  readonly tell: Tell | undefined;
  readonly rows?: readonly SalvagedRow[];
}

/** @param version schema version found, 0 where there are no tables yet */
function startStore(
  path: string,
  connection: Connection,
  version: number,
  { setAside, tell, rows = [] }: Beginning,
): SqliteStore {
  try {
    configure(connection);
    if (version === 0) createTables(connection);
    else if (version < SCHEMA_VERSION) upgradeTables(connection, version);
    takeOver(connection, rows);
    return new SqliteStore(path, connection, { setAside, tell });
  } catch (error) {
    connection.close();
    throw error;
  }
}

async function makeFolderOf(file: string): Promise<void> {
  try {
    await makeFolder(dirname(file));
  } catch (cause) {
    const detail = { what: 'the folder cannot be made', where: dirname(file), got: String(cause) };
    throw new UnwritableStoreError(detail, { cause });
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
  const aside = `${path}.damaged-${timeNow()}`;
  // The file last: as long as it is there under its name, nobody takes the place for a free one.
  for (const suffix of ['-journal', '-wal', '-shm', ''])
    try {
      await rename(path + suffix, aside + suffix);
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') continue;
      const what = 'the store is damaged and cannot be renamed';
      throw new UnwritableStoreError({ what, where: path + suffix, got: String(cause) }, { cause });
    }
  return aside;
}

/** "20260131T174502123Z" */
function timeNow(): string {
  return new Date().toISOString().replace(/[-:.]/g, '');
}
