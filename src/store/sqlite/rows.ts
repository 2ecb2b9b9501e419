import { checkedKey, keyId, verdictId } from '../key.js';
import { seal, sealMeasurement, type Sealed } from '../record.js';
import type { KeptRun } from '../rows.js';
import type { StoredMeasurement, StoredVerdict } from '../types.js';
import { bytesOf, type Connection, type Row, type SqlValue } from './connection.js';
import type { SealedTable } from './schema.js';

/** Rows fetched at a time: a listing's memory does not grow with the store. */
const PAGE = 200;

/** The sealed part of a row. Blobs whatever the file claims: the driver ends the process on damaged text. */
export const SEALED_COLUMNS =
  'CAST(record AS BLOB) AS record, CAST(items AS BLOB) AS items, CAST(digest AS BLOB) AS digest';

/** The sealed part of a row that was read. */
export function sealedOf(row: Row): Sealed {
  return { record: bytesOf(row.record), items: bytesOf(row.items), digest: bytesOf(row.digest) };
}

/** The sealed rows of a table in the order they were first written. */
export function* sealedRows(connection: Connection, table: SealedTable): Generator<Sealed> {
  let last = Number.MIN_SAFE_INTEGER;
  for (;;) {
    const rows = connection.all(
      `SELECT rowid AS position, ${SEALED_COLUMNS} FROM ${table}
       WHERE rowid > ? ORDER BY rowid LIMIT ${PAGE}`,
      [last],
    );
    for (const row of rows) yield sealedOf(row);
    if (rows.length < PAGE) return;
    last = Number(rows[PAGE - 1].position);
  }
}

/** Writes a measurement's row. */
export function writeMeasurement(connection: Connection, stored: StoredMeasurement): void {
  const { key, measurement } = stored;
  upsert(connection, 'measurements', {
    id: keyId(key),
    ...checkedKey(key),
    metric: measurement.metric,
    value: measurement.value,
    bytes: stored.bytes ?? null,
    seconds: measurement.seconds,
    created_at: stored.createdAt,
    machine: stored.machine,
    ...sealMeasurement(stored),
  });
}

/** Writes a verdict's row. */
export function writeVerdict(connection: Connection, stored: StoredVerdict): void {
  const { key, limit, passes, bound, createdAt } = stored;
  upsert(connection, 'verdicts', {
    id: verdictId(key, limit),
    measurement: keyId(key),
    plan: key.plan,
    task: key.task,
    passes: passes ? 1 : 0,
    bound,
    created_at: createdAt,
    ...seal(stored),
  });
}

/** Writes a run's row. */
export function writeRun(connection: Connection, run: KeptRun): void {
  const { id, kind, state, startedAt } = run;
  upsert(connection, 'runs', { id, kind, state, started_at: startedAt, ...seal(run) });
}

/** Inserts a row, or overwrites the one of the same id in its place. @param row by column, `id` first */
function upsert(
  connection: Connection,
  table: SealedTable,
  row: Readonly<Record<string, SqlValue>>,
): void {
  const columns = Object.keys(row).map((column) => `"${column}"`);
  const updates = columns.slice(1).map((column) => `${column} = excluded.${column}`);
  connection.run(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
     ON CONFLICT (id) DO UPDATE SET ${updates.join(', ')}`,
    Object.values(row),
  );
}
