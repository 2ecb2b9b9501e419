import type { Tell } from '../patience.js';
import { RowStore } from '../row-store.js';
import type { Rows, StoreRows } from '../rows.js';
import type { SetAside } from '../types.js';
import { Claims } from './claims.js';
import type { Connection } from './connection.js';
import { keeperOf } from './keep-there.js';
import { thisProcess } from './owner.js';
import {
  SEALED_COLUMNS,
  sealedOf,
  sealedRows,
  writeMeasurement,
  writeRun,
  writeVerdict,
} from './rows.js';
import type { SealedTable } from './schema.js';

/** All of a store but its file. */
export interface StoreSurroundings {
  readonly setAside?: SetAside | undefined;
  readonly tell?: Tell | undefined;
  /** Time that a call waits which holds up the process, in milliseconds. */
  readonly patienceMs?: number;
}

/** Measurements in a SQLite file whose tables are in order; made by `openStore`. */
export class SqliteStore extends RowStore {
  constructor(
    path: string,
    connection: Connection,
    { setAside, tell, patienceMs }: StoreSurroundings = {},
  ) {
    const owner = thisProcess();
    const keepThere = keeperOf(connection, path, tell);
    const claims = new Claims(connection, owner);
    const rows: StoreRows = {
      where: path,
      owner,
      measurements: rowsIn(connection, 'measurements', writeMeasurement, keepThere),
      verdicts: rowsIn(connection, 'verdicts', writeVerdict, keepThere),
      runs: rowsIn(connection, 'runs', writeRun, keepThere),
      exclusively: (work) => {
        keepThere();
        return connection.transaction(work);
      },
      claim: (id) => {
        keepThere();
        return claims.take(id);
      },
      release: (id) => {
        claims.release(id);
      },
      close: () => {
        if (connection.isOpen) keepThere();
        claims.releaseAll();
        closeFolded(connection);
      },
    };
    super(rows, path, { setAside, tell, patienceMs });
  }
}

function rowsIn<T>(
  connection: Connection,
  table: SealedTable,
  write: (connection: Connection, row: T) => void,
  beforeWrite: () => void,
): Rows<T> {
  return {
    read: (id) => {
      const row = connection.get(`SELECT ${SEALED_COLUMNS} FROM ${table} WHERE id = ?`, [id]);
      return row && sealedOf(row);
    },
    readAll: () => sealedRows(connection, table),
    write: (row) => {
      beforeWrite();
      write(connection, row);
    },
  };
}

/** The driver closes late (see Connection): with the log folded in, the file is complete on its own. */
function closeFolded(connection: Connection): void {
  try {
    connection.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)');
  } catch {
    // Closed before, or others are at work: their close, or the next open, folds it in.
  }
  connection.close();
}
