import type { Tokenizer } from '../../tokenizer/tokenizer.js';
import { DataError } from '../../util/errors.js';
import type { SequenceBatch } from '../batching.js';

/** The tokens of a sentence or a pair, special ones included. */
export interface EncodedPair {
  readonly ids: Int32Array;
  /** Tokens of the first segment, its special tokens with it; the rest is of the second. */
  readonly first: number;
  /** True where tokens were left out at the ends. */
  readonly truncated: boolean;
}

/** The way that a family wants pairs. */
export interface PairForm {
  readonly tokenizer: Pick<Tokenizer, 'encode'>;
  /** Before the first sentence, and after each. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Tokens at most. */
  readonly most: number | undefined;
}

/**
 * [CLS] a [SEP], or [CLS] a [SEP] b [SEP]. Where that is too long the longer sentence, of equals the second, loses its last token, again
 * and again, as GLUE's published evaluations do.
 *
 * @throws {DataError} for a sentence without tokens, or no room for any
 */
export function encodePair(
  sentences: readonly string[],
  { tokenizer, before, after, most }: PairForm,
  where: string,
): EncodedPair {
  const parts = sentences.map((sentence) => Array.from(tokenizer.encode(sentence)));
  const special = before.length + parts.length * after.length;
  const empty = parts.findIndex((ids) => ids.length === 0);
  if (empty >= 0)
    throw new DataError({
      what: 'empty sentence',
      where,
      got: JSON.stringify(sentences[empty]),
      expected: 'at least one token',
    });
  const total = parts.reduce((sum, ids) => sum + ids.length, special);
  if (most !== undefined && most < special + parts.length)
    throw new DataError({
      what: 'no room for a sentence',
      where,
      got: `${most} positions`,
      expected: `more than the ${special} special tokens`,
    });
  for (let surplus = total - (most ?? total); surplus > 0; surplus--)
    parts.reduce((longest, ids) => (ids.length >= longest.length ? ids : longest)).pop();
  const segments = parts.map((ids, at) => [...(at === 0 ? before : []), ...ids, ...after]);
  return {
    ids: Int32Array.from(segments.flat()),
    first: segments[0].length,
    truncated: most !== undefined && total > most,
  };
}

/** Batches that also say which segment a token is of. @param first tokens of each item's first segment */
export function withTypes(
  batches: readonly SequenceBatch[],
  first: readonly number[],
): SequenceBatch[] {
  return batches.map((batch) => {
    const { inputs, lengths, indices } = batch;
    const types = new Int32Array(inputs.ids.length);
    for (const [row, index] of indices.entries())
      types.fill(1, row * inputs.time + first[index], row * inputs.time + lengths[row]);
    return { ...batch, inputs: { ...inputs, types } };
  });
}
