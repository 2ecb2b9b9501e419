import { keyId, verdictId } from './key.js';
import { seal, sealMeasurement, type Sealed } from './record.js';
import { RowStore } from './row-store.js';
import type { Rows, StoreRows } from './rows.js';
import { thisProcess } from './sqlite/owner.js';
import type { MeasurementStore } from './types.js';

/**
 * A store that lasts as long as the process: for tests, and for runs that shall leave nothing behind. Keeps
 * the sealed form, so that what was put cannot be changed through the object that was put.
 */
export function memoryStore(): MeasurementStore {
  const rows: StoreRows = {
    where: 'store in memory',
    owner: thisProcess(),
    measurements: rowsInMemory(({ key }) => keyId(key), sealMeasurement),
    verdicts: rowsInMemory(({ key, limit }) => verdictId(key, limit)),
    runs: rowsInMemory(({ id }) => id),
    exclusively: (work) => work(),
    // No other process sees this store: nothing to claim.
    claim: () => undefined,
    release: () => undefined,
    close: () => undefined,
  };
  return new RowStore(rows, undefined);
}

function rowsInMemory<T>(idOf: (row: T) => string, sealOf: (row: T) => Sealed = seal): Rows<T> {
  const rows = new Map<string, Sealed>();
  return {
    read: (id) => rows.get(id),
    readAll: () => rows.values(),
    write: (row) => {
      rows.set(idOf(row), sealOf(row));
    },
  };
}
