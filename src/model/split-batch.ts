import { isOutOfMemory } from '../backend/start.js';
import { BackendError } from '../util/errors.js';
import { selectRows, type TokenBatch } from './types.js';

/** A part of a batch: its sequences, and the place of the first of them in the batch. */
type Compute<T> = (part: TokenBatch, from: number) => Promise<readonly T[]>;

/**
 * Computes batches, in halves where the device has no memory for the whole. A sequence's numbers do not
 * depend on its batch, so that nothing but time changes.
 */
export class BatchSplitter {
  /** Sizes that were too large once: not tried again. */
  private readonly halves = new WeakMap<TokenBatch, readonly TokenBatch[]>();

  /**
   * @param compute gives the results of a part; whatever it holds it releases where it throws
   * @param free releases what need not be held; then the part is tried once more
   * @throws {BackendError} where a single sequence is too much
   */
  async run<T>(batch: TokenBatch, compute: Compute<T>, free?: () => void): Promise<readonly T[]> {
    return this.part(batch, 0, compute, free);
  }

  private async part<T>(
    part: TokenBatch,
    from: number,
    compute: Compute<T>,
    free: (() => void) | undefined,
  ): Promise<readonly T[]> {
    if (!this.halves.has(part))
      try {
        return await compute(part, from);
      } catch (error) {
        if (!isOutOfMemory(error)) throw error;
        if (free !== undefined) {
          free();
          return await this.part(part, from, compute, undefined);
        }
        if (part.batch === 1) throw tooLarge(part, error);
        this.halves.set(part, halvesOf(part));
      }
    const results: T[] = [];
    let at = from;
    for (const half of this.halves.get(part)!) {
      results.push(...(await this.part(half, at, compute, free)));
      at += half.batch;
    }
    return results;
  }
}

/** One array of all values. */
export function joined(rows: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(rows.reduce((size, row) => size + row.length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}

function halvesOf(batch: TokenBatch): TokenBatch[] {
  const rows = Array.from({ length: batch.batch }, (_, row) => row);
  const middle = Math.ceil(rows.length / 2);
  return [rows.slice(0, middle), rows.slice(middle)].map((some) => selectRows(batch, some));
}

function tooLarge({ time }: TokenBatch, cause: unknown): BackendError {
  return new BackendError(
    {
      what: 'the device has no memory for a single sequence',
      where: `a sequence of ${time} tokens`,
      got: (cause as Error).message.replaceAll('\n', ' '),
      expected: 'a shorter context, or the backend wasm, which computes in main memory',
    },
    { cause },
  );
}
