import { isWhole, openMeasurement, openVerdict, unseal, type Sealed } from '../record.js';
import type { KeptRun } from '../rows.js';
import type { Connection } from './connection.js';
import { SEALED_COLUMNS, sealedOf, writeMeasurement, writeRun, writeVerdict } from './rows.js';
import { SEALED_TABLES, type SealedTable } from './schema.js';

/** A row of a damaged file that fits its checksum. */
export interface SalvagedRow {
  readonly table: SealedTable;
  readonly sealed: Sealed;
}

/** All rows of a damaged file that can be read and fit their checksum. Never throws. */
export function salvage(connection: Connection): SalvagedRow[] {
  try {
    // SQLite then reads what there is of a file shorter than its header says, instead of nothing.
    connection.exec('PRAGMA writable_schema = ON; PRAGMA query_only = ON');
  } catch {
    // Not a SQLite file: there is nothing to read below either.
  }
  return SEALED_TABLES.flatMap((table) => salvageTable(connection, table));
}

/** From the first row up to where the file breaks, then from the last row down to where it breaks. */
function salvageTable(connection: Connection, table: SealedTable): SalvagedRow[] {
  const found = new Map<number, SalvagedRow>();
  for (const [beyond, order, start] of [
    ['>', 'ASC', Number.MIN_SAFE_INTEGER],
    ['<', 'DESC', Number.MAX_SAFE_INTEGER],
  ] as const) {
    const next = `SELECT rowid AS position, ${SEALED_COLUMNS} FROM ${table}
      WHERE rowid ${beyond} ? ORDER BY rowid ${order} LIMIT 1`;
    let last: number = start;
    try {
      for (;;) {
        const row = connection.get(next, [last]);
        const position = Number(row?.position);
        // A broken tree can also lead in circles.
        const onward = order === 'ASC' ? position > last : position < last;
        if (row === undefined || !onward || found.has(position)) break;
        last = position;
        const sealed = sealedOf(row);
        if (isWhole(sealed)) found.set(position, { table, sealed });
      }
    } catch {
      // Broken from here on, or no such table.
    }
  }
  return [...found.entries()].sort(([a], [b]) => a - b).map(([, row]) => row);
}

/** Puts salvaged rows into a new store, in one transaction. */
export function takeOver(connection: Connection, rows: readonly SalvagedRow[]): void {
  if (rows.length === 0) return;
  connection.transaction(() => {
    for (const { table, sealed } of rows)
      switch (table) {
        case 'measurements':
          writeMeasurement(connection, openMeasurement(sealed, table));
          break;
        case 'verdicts':
          writeVerdict(connection, openVerdict(sealed, table));
          break;
        case 'runs':
          writeRun(connection, unseal(sealed, table) as KeptRun);
          break;
      }
  });
}
