import { bytesOf, type Connection, type Row, type SqlValue } from './connection.js';
import type { Sealed } from '../record.js';
import { keyId, verdictId } from '../key.js';
import { seal, sealMeasurement } from '../record.js';
import type { SealedTable } from './schema.js';
import type { Run, StoredMeasurement, StoredVerdict } from '../types.js';

/** Rows fetched at a time: a listing's memory does not grow with the store. */
const PAGE = 200;

/**
 * The sealed part of a row. Blobs whatever the file claims: the driver ends the process on damaged
 * text.
 */
export const SEALED_COLUMNS =
  'CAST(record AS BLOB) AS record, CAST(items AS BLOB) AS items, CAST(digest AS BLOB) AS digest';

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

const MEASUREMENT_COLUMNS = [
  'id',
  'checkpoint',
  'plan',
  'task',
  'data',
  'split',
  'limit',
  'context',
  'backend',
  'version',
  'metric',
  'value',
  'bytes',
  'seconds',
  'created_at',
  'machine',
  'record',
  'items',
  'digest',
] as const;

const UPSERT_MEASUREMENT = upsert('measurements', MEASUREMENT_COLUMNS);
const UPSERT_VERDICT = upsert('verdicts', [
  'id',
  'measurement',
  'plan',
  'task',
  'passes',
  'bound',
  'created_at',
  'record',
  'items',
  'digest',
]);
const UPSERT_RUN = upsert('runs', [
  'id',
  'kind',
  'state',
  'started_at',
  'record',
  'items',
  'digest',
]);

export function writeMeasurement(connection: Connection, stored: StoredMeasurement): void {
  const { key, measurement } = stored;
  const { record, items, digest } = sealMeasurement(stored);
  const values: Record<(typeof MEASUREMENT_COLUMNS)[number], SqlValue> = {
    id: keyId(key),
    ...key,
    metric: measurement.metric,
    value: measurement.value,
    bytes: stored.bytes ?? null,
    seconds: measurement.seconds,
    created_at: stored.createdAt,
    machine: stored.machine,
    record,
    items,
    digest,
  };
  connection.run(
    UPSERT_MEASUREMENT,
    MEASUREMENT_COLUMNS.map((column) => values[column]),
  );
}

export function writeVerdict(connection: Connection, stored: StoredVerdict): void {
  const { key, limit, passes, bound, createdAt } = stored;
  const { record, items, digest } = seal(stored);
  connection.run(UPSERT_VERDICT, [
    verdictId(key, limit),
    keyId(key),
    key.plan,
    key.task,
    passes ? 1 : 0,
    bound,
    createdAt,
    record,
    items,
    digest,
  ]);
}

export function writeRun(connection: Connection, run: Run, sealed: Sealed): void {
  const { record, items, digest } = sealed;
  connection.run(UPSERT_RUN, [run.id, run.kind, run.state, run.startedAt, record, items, digest]);
}

/** Insert, or overwrite the row of the same id in its place. */
function upsert(table: string, columns: readonly string[]): string {
  const quoted = columns.map((column) => `"${column}"`);
  const updates = quoted.slice(1).map((column) => `${column} = excluded.${column}`);
  return `INSERT INTO ${table} (${quoted.join(', ')}) VALUES (${quoted.map(() => '?').join(', ')})
    ON CONFLICT (id) DO UPDATE SET ${updates.join(', ')}`;
}
