import type { MetricLimit } from '../search/constraints.js';
import { StoreError } from '../util/errors.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';

/** The limit a verdict is about; null for a verdict that holds whatever the limit. */
export type VerdictLimit = MetricLimit | null;

/** Everything that can change a measurement. Two equal keys mean the same numbers. */
export interface MeasurementKey {
  /** SHA-256 of the checkpoint's bytes. */
  readonly checkpoint: string;
  /** Canonical id of the quantization plan. */
  readonly plan: string;
  /** The task's name: "sst2". */
  readonly task: string;
  /** The task's id: hash of the encoded data and of every setting that can change the result. */
  readonly data: string;
  /** The part of the data: "search", "dev", "valid", "test". */
  readonly split: string;
  /** Sentences or tokens at most; null where the whole split was taken. */
  readonly limit: number | null;
  /** Window in tokens; null where the task has none. */
  readonly context: number | null;
  /**
   * The backend that computed it, and how it rounds: "wasm", "wasm-fused". They differ in the last bits,
   * and a spike can hang on them.
   */
  readonly backend: string;
  /** Version of the kernels and of the measurement's meaning. A new one puts old ones out of reach. */
  readonly version: string;
}

const TEXT_FIELDS = ['checkpoint', 'plan', 'task', 'data', 'split', 'backend', 'version'] as const;
const COUNT_FIELDS = ['limit', 'context'] as const;
const KEY_FIELDS = [...TEXT_FIELDS, ...COUNT_FIELDS] as const;

/** Some fields of a {@link MeasurementKey}; those left out match all. */
export type KeyFilter = Partial<MeasurementKey>;

/**
 * A copy with the key's own fields and no others, so that what else an object carries cannot change its id.
 *
 * @throws {StoreError} where a text is empty, or a count is neither null nor a whole number ≥ 0.
 */
export function checkedKey(key: MeasurementKey): MeasurementKey {
  for (const field of TEXT_FIELDS) {
    // Callers in plain JavaScript (a notebook cell) can pass anything.
    const value: unknown = key[field];
    if (typeof value !== 'string' || value === '') refuse(field, value, 'a text that is not empty');
  }
  for (const field of COUNT_FIELDS) {
    const value: unknown = key[field];
    if (value !== null && !(Number.isSafeInteger(value) && (value as number) >= 0))
      refuse(field, value, 'null or a whole number ≥ 0');
  }
  const { checkpoint, plan, task, data, split, limit, context, backend, version } = key;
  return { checkpoint, plan, task, data, split, limit, context, backend, version };
}

/** The store's primary key: SHA-256 of the canonical JSON of the key, in hex. */
export function keyId(key: MeasurementKey): string {
  return sha256(canonicalJson(checkedKey(key)));
}

/**
 * Primary key of a verdict: SHA-256 over the measurement's id and the limit. Numbers enter as text, in the
 * shortest form that reads back the same: a limit may be infinite.
 */
export function verdictId(key: MeasurementKey, limit: VerdictLimit): string {
  const about = limit && [limit.metric, String(limit.baseline), String(limit.allowedLoss)];
  return sha256(canonicalJson([keyId(key), about]));
}

/** True where a key has all the fields given. */
export function matches(key: MeasurementKey, filter: KeyFilter): boolean {
  return KEY_FIELDS.every((field) => filter[field] === undefined || filter[field] === key[field]);
}

function refuse(field: string, got: unknown, expected: string): never {
  throw new StoreError({
    what: 'not a measurement key',
    where: `key.${field}`,
    got: typeof got === 'string' ? `"${got}"` : String(got),
    expected,
  });
}
