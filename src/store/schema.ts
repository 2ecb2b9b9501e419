import type { Connection } from './connection.js';

/** "QSLM" in ASCII, in the header of every store: tells it from other programs' SQLite files. */
export const APPLICATION_ID = 0x51534c4d;

/** Raise with every change to the tables below; a newer file is refused, never touched. */
export const SCHEMA_VERSION = 1;

/**
 * `record`, `items`, `digest` are the truth (see record.ts). The other columns but `id` repeat the
 * key and the headline for people with a SQLite shell; nothing here reads them.
 */
export const TABLES: Readonly<Record<string, string>> = {
  measurements: `CREATE TABLE measurements (
  id TEXT PRIMARY KEY,
  checkpoint TEXT NOT NULL,
  "plan" TEXT NOT NULL,
  task TEXT NOT NULL,
  data TEXT NOT NULL,
  split TEXT NOT NULL,
  "limit" INTEGER,
  context INTEGER,
  backend TEXT NOT NULL,
  version TEXT NOT NULL,
  metric TEXT NOT NULL,
  value REAL,
  bytes REAL,
  seconds REAL,
  created_at TEXT NOT NULL,
  machine TEXT NOT NULL,
  record BLOB NOT NULL,
  items BLOB NOT NULL,
  digest BLOB NOT NULL
) STRICT`,
  claims: `CREATE TABLE claims (
  id TEXT PRIMARY KEY,
  token TEXT NOT NULL,
  owner BLOB NOT NULL,
  heartbeat_at REAL NOT NULL
) STRICT`,
  runs: `CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  started_at TEXT NOT NULL,
  record BLOB NOT NULL,
  items BLOB NOT NULL,
  digest BLOB NOT NULL
) STRICT`,
};

/**
 * Settings of each connection.
 *
 * WAL: readers do not wait for the writer, and a commit is one append. A process killed at any
 * moment loses nothing that was committed: the pages are the kernel's by then. `synchronous = FULL`
 * also flushes the log at each commit, so that a power cut loses nothing either where the disk
 * honours fsync; it costs a fraction of a millisecond on an SSD, where a measurement takes a tenth
 * of a second and more.
 */
export function configure(connection: Connection): void {
  connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
}

/**
 * Makes the tables in one transaction: a process killed here leaves an empty file, which is made
 * again.
 */
export function createTables(connection: Connection): void {
  connection.transaction(() => {
    for (const sql of Object.values(TABLES)) connection.exec(sql);
    connection.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    connection.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  });
}
