import { StoreError } from '../util/errors.js';
import { DamagedStoreError } from './errors.js';
import { isWhole } from './record.js';
import { textOf, type Connection } from './sqlite/connection.js';
import { sealedRows } from './sqlite/rows.js';
import { APPLICATION_ID, SCHEMA_VERSION, SEALED_TABLES, TABLES } from './sqlite/schema.js';

/**
 * Looks through a file before it is trusted: header, tables, SQLite's own check, every checksum. Reads all
 * of it, about 10 MB in a tenth of a second.
 *
 * @returns the schema version of a store of ours; 0 for a file without tables.
 * @throws {DamagedStoreError} naming the first fault.
 * @throws {StoreError} for a healthy file that is not ours to touch: a newer store, another program's.
 */
export function inspect(connection: Connection, path: string): number {
  const application = numberOf(connection, 'application_id');
  const version = numberOf(connection, 'user_version');
  const tables = tablesOf(connection);
  if (tables.size === 0 && application === 0 && version === 0) return 0;
  if (application !== APPLICATION_ID) {
    // Tables that every version has: the header's word on the version cannot be trusted either.
    if (!namesSince(1).every((name) => tables.has(name)))
      throw new StoreError({
        what: 'this SQLite file belongs to another program',
        where: path,
        got: `application id ${application}`,
        expected: `${APPLICATION_ID}, or a path where nothing lies yet`,
      });
    damaged(path, 'the header is overwritten', `application id ${application}`);
  }
  // A newer version has other tables: with exactly ours it is this one, its number overwritten.
  if (version !== SCHEMA_VERSION && hasExactly(tables))
    damaged(path, 'the header is overwritten', `schema ${version}`);
  if (version > SCHEMA_VERSION)
    throw new StoreError({
      what: 'the store was written by a newer version of qslm; update qslm or choose another store',
      where: path,
      got: `schema ${version}`,
      expected: `schema ${SCHEMA_VERSION} or older`,
    });
  if (version < 1) damaged(path, 'the header is overwritten', `schema ${version}`);
  for (const name of namesSince(version))
    if (tables.get(name) !== TABLES[name].sql)
      damaged(path, `the table ${name} is ${tables.has(name) ? 'not as it was made' : 'missing'}`);
  checkStructure(connection, path);
  for (const table of SEALED_TABLES.filter((name) => TABLES[name].since <= version))
    for (const sealed of sealedRows(connection, table))
      if (!isWhole(sealed)) damaged(path, `a value in ${table} does not fit its checksum`);
  return version;
}

/** The tables that a store of a version has. */
function namesSince(version: number): string[] {
  return Object.keys(TABLES).filter((name) => TABLES[name].since <= version);
}

/** True for the tables of this version, as they were made, and no others. */
function hasExactly(tables: ReadonlyMap<string, string>): boolean {
  const names = Object.keys(TABLES);
  return (
    tables.size === names.length && names.every((name) => tables.get(name) === TABLES[name].sql)
  );
}

function checkStructure(connection: Connection, path: string): void {
  const check = 'SELECT CAST(integrity_check AS BLOB) AS verdict FROM pragma_integrity_check(1)';
  const verdict = textOf(connection.get(check)?.verdict);
  if (verdict !== 'ok') damaged(path, 'its structure is broken', verdict);
}

function numberOf(connection: Connection, pragma: string): number {
  return Number(connection.get(`PRAGMA ${pragma}`)?.[pragma]);
}

/** SQL by table name; SQLite keeps the text of CREATE TABLE as it was given. */
function tablesOf(connection: Connection): Map<string, string> {
  const rows = connection.all(
    `SELECT CAST(name AS BLOB) AS name, CAST(sql AS BLOB) AS sql FROM sqlite_schema
     WHERE type = 'table'`,
  );
  return new Map(rows.map((row) => [textOf(row.name), textOf(row.sql)]));
}

function damaged(path: string, what: string, got?: string): never {
  throw new DamagedStoreError({ what, where: path, ...(got !== undefined && { got }) });
}
