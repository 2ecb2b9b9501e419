import { createHash } from 'node:crypto';
import { metricOf, type Measurement } from '../tasks/metrics/metrics.js';
import { DamagedStoreError } from './errors.js';
import { exactJson, parseExactJson } from './json.js';
import type { Outcome, StoredMeasurement, StoredVerdict } from './types.js';

/**
 * The content of a row. SQLite notices a damaged page structure, not a flipped bit inside a value: with the
 * digest a damaged store never answers with a wrong number.
 */
export interface Sealed {
  /** UTF-8 JSON of everything but the per-item arrays. */
  readonly record: Uint8Array;
  /** The per-item arrays, packed. */
  readonly items: Uint8Array;
  /** SHA-256 of `record` and `items`, 32 bytes. */
  readonly digest: Uint8Array;
}

const NO_ITEMS = new Uint8Array(0);

/**
 * 1 bit a sentence (SST-2), or 12 bytes a window (perplexity).
 *
 * @throws {StoreError} where `correct` holds anything but 0 and 1, or `windowTokens` no count.
 */
export function sealMeasurement(stored: StoredMeasurement): Sealed {
  const { measurement } = stored;
  const { record, items } = metricOf(measurement.metric).pack(measurement);
  return seal({ ...stored, measurement: record }, items);
}

/** @throws {DamagedStoreError} when the digest does not fit. */
export function openMeasurement(sealed: Sealed, where: string): StoredMeasurement {
  const stored = unseal(sealed, where) as Omit<StoredMeasurement, 'measurement'> & {
    readonly measurement: Pick<Measurement, 'metric'>;
  };
  const { measurement: record } = stored;
  return { ...stored, measurement: metricOf(record.metric).unpack(record, sealed.items) };
}

/** @throws {DamagedStoreError} when the digest does not fit. */
export function openVerdict(sealed: Sealed, where: string): StoredVerdict {
  return unseal(sealed, where) as StoredVerdict;
}

/** Any value that JSON can hold, doubles exact. */
export function seal(value: unknown, items: Uint8Array = NO_ITEMS): Sealed {
  const record = Buffer.from(exactJson(value), 'utf8');
  return { record, items, digest: digestOf(record, items) };
}

/** @throws {DamagedStoreError} when the digest does not fit. */
export function unseal(sealed: Sealed, where: string): unknown {
  if (!isWhole(sealed))
    throw new DamagedStoreError({ what: 'a stored value does not fit its checksum', where });
  return parseExactJson(Buffer.from(sealed.record).toString('utf8'));
}

/** True where the digest fits. */
export function isWhole({ record, items, digest }: Sealed): boolean {
  return digestOf(record, items).equals(digest);
}

/** An outcome together with the extras that an earlier one of the same key had besides. */
export function withEarlierExtras(outcome: Outcome, earlier: Outcome | undefined): Outcome {
  if (earlier?.extras === undefined) return outcome;
  return { ...outcome, extras: { ...earlier.extras, ...outcome.extras } };
}

/** True where an outcome has all the extras named. */
export function hasExtras(outcome: Outcome, needs: readonly string[]): boolean {
  return needs.every((name) => outcome.extras !== undefined && Object.hasOwn(outcome.extras, name));
}

function digestOf(record: Uint8Array, items: Uint8Array): Buffer {
  return createHash('sha256').update(record).update(items).digest();
}
