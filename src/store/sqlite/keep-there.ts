import { mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { inspect } from '../inspect.js';
import type { Tell } from '../patience.js';
import type { Connection } from './connection.js';
import { lyingAt } from './marks.js';
import { salvage, takeOver } from './salvage.js';
import { configure, createTables, SCHEMA_VERSION, upgradeTables } from './schema.js';

/**
 * Watches over a store's file while a process has it open. SQLite goes on writing into a file that was
 * deleted, and all of it is gone when the process ends.
 *
 * @returns a function to be called before each write, outside of transactions: where the file is no longer
 *   at its path, a new one is made with all that this process can still read of the old one, and told.
 */
export function keeperOf(connection: Connection, path: string, tell: Tell | undefined): () => void {
  const beside = [`${path}-wal`, `${path}-shm`];
  let own = [path, ...beside].map(identityOf);
  return () => {
    if (connection.inTransaction) return;
    const found = [path, ...beside].map(identityOf);
    if (found[0] === own[0]) {
      own = found;
      return;
    }
    // What SQLite keeps beside the old file would be taken for the new one's.
    const left = beside.filter((_, index) => found[index + 1] === own[index + 1]);
    rewrite(connection, path, left);
    own = [path, ...beside].map(identityOf);
    const what = found[0] === undefined ? 'deleted' : 'replaced';
    tell?.(`${path}: the store was ${what} while it was in use; all it held is there again`);
  };
}

/** Device and number of the file at a path. */
function identityOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats && `${stats.dev} ${stats.ino}`;
}

/** Puts all rows of an open database into a store at its path, and goes over to that one. */
function rewrite(connection: Connection, path: string, left: readonly string[]): void {
  const rows = salvage(connection);
  connection.exec('PRAGMA writable_schema = OFF; PRAGMA query_only = OFF');
  mkdirSync(dirname(path), { recursive: true });
  // As for opening: another process that shares the store has noticed too.
  const lock = connection.another(`${path}.lock`);
  try {
    lock.exec('BEGIN EXCLUSIVE');
    lyingAt(path);
    for (const file of left) rmSync(file, { force: true });
    const fresh = connection.another(path);
    try {
      const version = inspect(fresh, path);
      configure(fresh);
      if (version === 0) createTables(fresh);
      else if (version < SCHEMA_VERSION) upgradeTables(fresh, version);
      takeOver(fresh, rows);
      connection.takeOver(fresh);
    } catch (error) {
      fresh.close();
      throw error;
    }
  } finally {
    lock.close();
  }
}
