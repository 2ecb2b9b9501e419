import type { Database, Statement } from 'libsql';
import { StoreError } from '../../util/errors.js';
import { asStoreError } from '../errors.js';

export type SqlValue = string | number | Uint8Array | null;
export type Row = Readonly<Record<string, unknown>>;

/** A blob column's bytes; none for anything else, which only a damaged file holds. */
export function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(0);
}

/** A blob column that holds UTF-8. */
export function textOf(value: unknown): string {
  return Buffer.from(bytesOf(value)).toString('utf8');
}

/**
 * One SQLite connection through libsql 0.5, typed, with these traits of the driver kept in one place (each
 * seen in 0.5.29):
 * - parameters go in as one array: a lone Uint8Array argument ends the process;
 * - text that is not UTF-8, as in a damaged file, ends the process when read: select `CAST(… AS BLOB)`;
 * - a blob is a Buffer from `get`, an ArrayBuffer from `all`: read it with {@link bytesOf};
 * - `pluck().get()` does not pluck, and rows carry an extra member `_metadata`: columns are read by name;
 * - `close()` lets go of the file once the prepared statements are collected as garbage, at once for a
 *   connection that prepared none.
 */
export class Connection {
  private readonly statements = new Map<string, Statement>();
  private opened = true;
  private depth = 0;

  private constructor(
    private database: Database,
    private readonly where: string,
    /** Opens the driver on a path again. */
    private readonly reopen: (path: string) => Database,
  ) {}

  /**
   * @param path a file, made when missing; `where` in errors
   * @param busyMs time that a call waits for another process's write, in milliseconds
   * @throws {StoreError} when the file cannot be opened, or no binary of the driver fits this platform
   */
  static async open(path: string, busyMs: number): Promise<Connection> {
    const Driver = await loadDriver();
    return Connection.through((file) => new Driver(file, { timeout: busyMs }), path);
  }

  /** A connection to another file, with the settings of this one. @throws as {@link Connection.open} */
  another(path: string): Connection {
    return Connection.through(this.reopen, path);
  }

  private static through(reopen: (path: string) => Database, path: string): Connection {
    try {
      return new Connection(reopen(path), path, reopen);
    } catch (error) {
      throw asStoreError(error, path);
    }
  }

  /** False after {@link close}. */
  get isOpen(): boolean {
    return this.opened;
  }

  /** True within {@link transaction}. */
  get inTransaction(): boolean {
    return this.depth > 0;
  }

  /** Goes over to another connection's file, which that one gives up; the file so far is closed. */
  takeOver(other: Connection): void {
    this.statements.clear();
    this.database.close();
    this.database = other.database;
    other.statements.clear();
    other.opened = false;
  }

  /** Runs statements that take no parameters; rows are dropped. */
  exec(sql: string): void {
    this.try(() => this.database.exec(sql));
  }

  /** Runs a statement. @returns the number of rows changed. */
  run(sql: string, parameters: readonly SqlValue[] = []): number {
    return this.try(() => this.prepare(sql).run(parameters).changes);
  }

  /** The first row of a query. */
  get(sql: string, parameters: readonly SqlValue[] = []): Row | undefined {
    return this.try(() => this.prepare(sql).get(parameters)) as Row | undefined;
  }

  /** All rows of a query. */
  all(sql: string, parameters: readonly SqlValue[] = []): Row[] {
    return this.try(() => this.prepare(sql).all(parameters)) as Row[];
  }

  /** All of `work` or nothing; the write lock is taken at its start, so that it cannot fail midway. */
  transaction<T>(work: () => T): T {
    this.exec('BEGIN IMMEDIATE');
    this.depth++;
    try {
      const result = work();
      this.exec('COMMIT');
      return result;
    } catch (error) {
      try {
        this.exec('ROLLBACK');
      } catch {
        // SQLite has rolled back by itself (disk full): the first error is the one to tell.
      }
      throw error;
    } finally {
      this.depth--;
    }
  }

  /** Closes the file; closing twice is allowed. */
  close(): void {
    if (!this.opened) return;
    this.opened = false;
    this.statements.clear();
    this.database.close();
  }

  private prepare(sql: string): Statement {
    let statement = this.statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      this.statements.set(sql, statement);
    }
    return statement;
  }

  private try<T>(work: () => T): T {
    if (!this.opened) throw new StoreError({ what: 'the store is closed', where: this.where });
    try {
      return work();
    } catch (error) {
      throw asStoreError(error, this.where);
    }
  }
}

async function loadDriver() {
  try {
    return (await import('libsql')).default;
  } catch (cause) {
    const detail = {
      what: 'the SQLite driver does not load',
      where: 'package libsql',
      got: cause instanceof Error ? cause.message : String(cause),
      expected: `a binary for ${process.platform} ${process.arch}`,
    };
    throw new StoreError(detail, { cause });
  }
}
