/** Tokens of `batch` sequences of `time` positions, row-major: `ids[sequence * time + position]`. */
export interface TokenBatch {
  readonly ids: Int32Array;
  readonly batch: number;
  readonly time: number;
}

/** How hidden states become one vector a sentence before the classifier. */
export type Pooling = 'real-tokens' | 'all-positions';

/**
 * What a task needs of a model. The arrays come back on the host; nothing has to be disposed.
 * Each sequence starts from a cleared state.
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
