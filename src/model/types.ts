/** Tokens of `batch` sequences of `time` positions, row-major: `ids[sequence * time + position]`. */
export interface TokenBatch {
  readonly ids: Int32Array;
  readonly batch: number;
  readonly time: number;
  /** Real tokens of each sequence, [batch]; what follows them is padding. Absent where there is none. */
  readonly lengths?: Int32Array;
  /** The segment that each token is of, [batch * time], for models that tell two sentences apart. */
  readonly types?: Int32Array;
}

/** Some sequences of a batch, by their place in it. */
export function selectRows(tokens: TokenBatch, rows: readonly number[]): TokenBatch {
  const { ids, time, lengths, types } = tokens;
  const chosen = (values: Int32Array): Int32Array => {
    const some = new Int32Array(rows.length * time);
    for (const [at, row] of rows.entries())
      some.set(values.subarray(row * time, (row + 1) * time), at * time);
    return some;
  };
  return {
    ids: chosen(ids),
    batch: rows.length,
    time,
    ...(lengths && { lengths: Int32Array.from(rows, (row) => lengths[row]) }),
    ...(types && { types: chosen(types) }),
  };
}

/**
 * The way from the states of a sentence's tokens to the one vector that is classified: the mean over its
 * tokens, the mean over all positions, padding included, or the first token's.
 */
export type Pooling = 'real-tokens' | 'all-positions' | 'first-token';

/** The feeding of a family's models. */
export interface TokenPolicy {
  readonly tokenizer: 'byte-level BPE' | 'WordPiece';
  /** Special tokens by name, before and after a sentence. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** The token that fills up shorter sentences: by name, or by id where the vocabulary has no such name. */
  readonly padding: { readonly name: string; readonly id: number };
  /** Positions of a sentence: those of the longest one in its batch, or as many for all. */
  readonly length: 'longest' | number;
  /** The most positions of a sentence, where there are no more; absent where any length can be computed. */
  readonly positions?: number;
  /** Poolings that can be asked for; the first one is the family's own. */
  readonly poolings: readonly [Pooling, ...Pooling[]];
}

/**
 * The model as a task sees it. The arrays come back on the host; nothing has to be disposed. Each sequence
 * starts from a cleared state.
 */
export interface SequenceModel {
  /** Number of token ids the embedding knows. */
  readonly vocabSize: number;
  /** Context length of training; longer sequences are computed but were never trained on. */
  readonly contextLength: number;
  /** Number of classes, 0 for a model without classifier. */
  readonly classes: number;

  /**
   * Negative log-likelihood of each target in nats, [batch * time].
   * `targets[sequence * time + position]` follows `inputs.ids` at that position.
   */
  tokenNll(inputs: TokenBatch, targets: Int32Array): Promise<Float32Array>;

  /**
   * Class logits, [batch * classes].
   * @param lengths real tokens of each sequence, [batch]; what follows them is padding.
   */
  classLogits(inputs: TokenBatch, lengths: Int32Array, pooling: Pooling): Promise<Float32Array>;
}
