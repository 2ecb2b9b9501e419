import type { TokenBatch } from '../model/types.js';
import { UsageError } from '../util/errors.js';

/**
 * Tokens a batch, padding included, unless a caller says otherwise. A batch has to be large enough to
 * spread the cost of a kernel call and small enough that one layer's activations stay near the cache:
 * at width 192 and a hidden layer four times as wide, 1,024 positions take 0.8 and 3.1 MB in fp32. More
 * is not faster, and shares less evenly among threads.
 */
export const DEFAULT_BATCH_TOKENS = 1024;

/** Sequences that go through the model together. */
export interface SequenceBatch {
  /** [batch, time]; a row shorter than `time` is filled up with padding on its right. */
  readonly inputs: TokenBatch;
  /** Real tokens of each row, [batch]. */
  readonly lengths: Int32Array;
  /** Place of the row's sequence in the data, [batch]. */
  readonly indices: Int32Array;
}

export interface BucketOptions {
  /** Most tokens in a batch, padding included. A sequence that alone is longer is a batch of its own. */
  readonly batchTokens: number;
  /** The token that fills up rows; it must be in the model's vocabulary. */
  readonly paddingId: number;
  /** Positions of every row, at least as many as the longest sequence has; by default as few as possible. */
  readonly length?: number | undefined;
}

/**
 * Batches of sequences of similar length: sorted by length, shortest first (equal lengths in data
 * order), then cut so that no batch exceeds `batchTokens`. Depends on nothing but its arguments.
 * `indices` puts a model's answers for the rows back into data order.
 *
 * @param chosen the sequences to batch, by index; all of them by default.
 * @throws {UsageError} for a batch size that is not a positive integer.
 */
export function lengthBucketedBatches(
  sequences: readonly Int32Array[],
  { batchTokens, paddingId, length }: BucketOptions,
  chosen: readonly number[] = sequences.map((_, index) => index),
): SequenceBatch[] {
  requirePositiveInteger(batchTokens, 'tokens a batch');
  const order = [...chosen].sort((a, b) => sequences[a].length - sequences[b].length || a - b);
  const batches: number[][] = [];
  for (const index of order) {
    // Sorted: the newest row is the longest, so it sets the width of the whole batch.
    const time = length ?? sequences[index].length;
    const rows = batches.at(-1);
    if (rows !== undefined && time * (rows.length + 1) <= batchTokens) rows.push(index);
    else batches.push([index]);
  }
  return batches.map((rows) => collate(sequences, rows, paddingId, length));
}

/**
 * Batches of neighbours of equal length, without padding: for windows of a text. A run of equal lengths
 * is cut into as few batches as `batchTokens` allows, alike in size to one sequence.
 *
 * @param order the sequences to batch, by index; data order by default.
 * @throws {UsageError} for a batch size that is not a positive integer.
 */
export function equalLengthBatches(
  sequences: readonly Int32Array[],
  batchTokens: number,
  order: readonly number[] = sequences.map((_, index) => index),
): SequenceBatch[] {
  requirePositiveInteger(batchTokens, 'tokens a batch');
  const batches: SequenceBatch[] = [];
  for (let first = 0; first < order.length;) {
    const time = sequences[order[first]].length;
    let end = first + 1;
    while (end < order.length && sequences[order[end]].length === time) end++;
    const most = Math.max(1, Math.floor(batchTokens / time));
    for (let left = Math.ceil((end - first) / most); left > 0; left--) {
      const count = Math.ceil((end - first) / left);
      batches.push(collate(sequences, order.slice(first, first + count), 0));
      first += count;
    }
  }
  return batches;
}

function collate(
  sequences: readonly Int32Array[],
  rows: readonly number[],
  paddingId: number,
  time = rows.reduce((longest, row) => Math.max(longest, sequences[row].length), 0),
): SequenceBatch {
  const lengths = Int32Array.from(rows, (row) => sequences[row].length);
  const ids = new Int32Array(rows.length * time).fill(paddingId);
  for (const [at, row] of rows.entries()) ids.set(sequences[row], at * time);
  const inputs = { ids, batch: rows.length, time, lengths };
  return { inputs, lengths, indices: Int32Array.from(rows) };
}

/** @throws {UsageError} when a setting is not a whole number above zero. */
export function requirePositiveInteger(value: number, setting: string): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new UsageError({
    what: 'not a usable number',
    where: setting,
    got: String(value),
    expected: 'a whole number, 1 or more',
  });
}
