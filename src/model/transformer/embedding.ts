import * as tf from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { gatherRows, layerNorm } from '../../backend/kernels/ops.js';
import { ModelError } from '../../util/errors.js';
import type { TokenBatch } from '../types.js';

/** The parameters of BERT's embedding on the device. */
export interface EmbeddingWeights {
  /** [vocabulary, D], [positions, D], [types, D] */
  readonly word: Tensor2D;
  readonly position: Tensor2D;
  readonly type: Tensor2D;
  /** [D] */
  readonly gamma: Tensor1D;
  readonly beta: Tensor1D;
}

/** Of BERT's layer norms. */
export const BERT_EPSILON = 1e-12;

/**
 * BERT's embedding of tokens: the layer norm of word + position + type, [B, 1, L, D].
 *
 * @throws {ModelError} for a segment that the embedding does not know, and for more positions than it has
 */
export function embedTokens(
  { ids, types, batch, time }: TokenBatch,
  { word, position, type, gamma, beta }: EmbeddingWeights,
): Tensor4D {
  requirePositions(time, position.shape[0]);
  requireTypes(types, type.shape[0]);
  return tf.tidy(() => {
    const places = Int32Array.from(ids, (_, at) => at % time);
    const rows = (table: Tensor2D, indices: Int32Array): Tensor2D =>
      gatherRows(table, tf.tensor1d(indices, 'int32'));
    const sum = tf.add<Tensor2D>(
      tf.add(rows(word, ids), rows(position, places)),
      rows(type, types ?? new Int32Array(ids.length)),
    );
    return tf.reshape(layerNorm(sum, gamma, beta, BERT_EPSILON), [batch, 1, time, word.shape[1]]);
  });
}

function requirePositions(time: number, most: number): void {
  if (time <= most) return;
  throw new ModelError({
    what: 'the sequence is longer than the model has positions',
    where: 'model input',
    got: `${time} tokens`,
    expected: `at most ${most}`,
  });
}

function requireTypes(types: Int32Array | undefined, count: number): void {
  const got = types?.find((type) => type < 0 || type >= count);
  if (got === undefined) return;
  throw new ModelError({
    what: 'a segment that the embedding does not know',
    where: 'model input',
    got: `type ${got}`,
    expected: `0 to ${count - 1}`,
  });
}

/** Real tokens of each sequence, int32 [B]; all of them where nothing is said. */
export function realLengths({ lengths, batch, time }: TokenBatch): Tensor1D {
  return tf.tensor1d(lengths ?? new Int32Array(batch).fill(time), 'int32');
}
