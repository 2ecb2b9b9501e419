import type { Connection } from './connection.js';

/** "QSLM" in ASCII, in the header of every store: tells it from other programs' SQLite files. */
export const APPLICATION_ID = 0x51534c4d;

/**
 * Raise with every change to the tables below; a newer file is refused, never touched, an older one gets
 * what it lacks ({@link upgradeTables}). 1: measurements, claims, runs. 2: verdicts.
 */
export const SCHEMA_VERSION = 2;

interface Table {
  readonly sql: string;
  /** The schema version that brought it. */
  readonly since: number;
}

/**
 * `record`, `items`, `digest` are the truth (see record.ts). The other columns but `id` repeat the
 * key and the headline for people with a SQLite shell; nothing here reads them.
 */
export const TABLES: Readonly<Record<string, Table>> = {
  measurements: {
    since: 1,
    sql: `CREATE TABLE measurements (
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
  },
  claims: {
    since: 1,
    sql: `CREATE TABLE claims (
  id TEXT PRIMARY KEY,
  token TEXT NOT NULL,
  owner BLOB NOT NULL,
  heartbeat_at REAL NOT NULL
) STRICT`,
  },
  runs: {
    since: 1,
    sql: `CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  started_at TEXT NOT NULL,
  record BLOB NOT NULL,
  items BLOB NOT NULL,
  digest BLOB NOT NULL
) STRICT`,
  },
  verdicts: {
    since: 2,
    sql: `CREATE TABLE verdicts (
  id TEXT PRIMARY KEY,
  measurement TEXT NOT NULL,
  "plan" TEXT NOT NULL,
  task TEXT NOT NULL,
  passes INTEGER NOT NULL,
  bound REAL,
  created_at TEXT NOT NULL,
  record BLOB NOT NULL,
  items BLOB NOT NULL,
  digest BLOB NOT NULL
) STRICT`,
  },
};

/** The tables whose rows are sealed (record.ts): a damaged file is searched for them. */
export const SEALED_TABLES = ['measurements', 'verdicts', 'runs'] as const;
export type SealedTable = (typeof SEALED_TABLES)[number];

/**
 * Settings of each connection.
 *
 * WAL: readers do not wait for the writer, and a commit is one append. A process killed at any moment loses
 * nothing that was committed: the pages are the kernel's by then. `synchronous = FULL` also flushes the log
 * at each commit, so that a power cut loses nothing either where the disk honours fsync; it costs a fraction
 * of a millisecond on an SSD, where a measurement takes a tenth of a second and more.
 */
export function configure(connection: Connection): void {
  connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
}

/** Makes the tables in one transaction: a process killed here leaves an empty file, to be made again. */
export function createTables(connection: Connection): void {
  connection.transaction(() => {
    makeTables(connection, 0);
    connection.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  });
}

/**
 * Brings a whole store of an older version up to this one, in one transaction: a process killed here leaves
 * the older store. Only adds tables, so a process of the older version that has the file open can go on.
 */
export function upgradeTables(connection: Connection, version: number): void {
  connection.transaction(() => {
    makeTables(connection, version);
  });
}

/** The tables that came after a version. */
function makeTables(connection: Connection, version: number): void {
  for (const { sql, since } of Object.values(TABLES)) if (since > version) connection.exec(sql);
  connection.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}
