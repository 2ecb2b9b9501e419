import * as tf from '@tensorflow/tfjs-core';
import type { Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import type { TokenBatch } from '../types.js';

/*
 * Padding takes part in a SpikeBERT's attention and in its mean. It has no positions and no mask, so that all
 * padding of a sequence is the same row, in every layer: one of them is computed, and counts for all.
 */

/** Real tokens of each sequence; all of them where nothing is said. */
function lengthsOf({ lengths, batch, time }: TokenBatch): Int32Array {
  return lengths ?? new Int32Array(batch).fill(time);
}

/** Positions of a batch that are computed: its real tokens, and one of padding where there is any. */
export function keptPositions(tokens: TokenBatch): number {
  return Math.min(tokens.time, Math.max(...lengthsOf(tokens)) + 1);
}

/** The ids at those positions, [batch * kept]. */
export function keptIds({ ids, batch, time }: TokenBatch, kept: number): Int32Array {
  if (kept === time) return ids;
  const some = new Int32Array(batch * kept);
  for (let row = 0; row < batch; row++)
    some.set(ids.subarray(row * time, row * time + kept), row * kept);
  return some;
}

/**
 * The times that each computed position counts, [B, kept]: real tokens once, the first of padding for all of
 * it, further ones, computed beside longer sequences, not at all. So it does not depend on the batch.
 *
 * @param time positions of each sequence, padding included
 */
export function countsOf(lengths: Int32Array, time: number, kept: number): Tensor2D {
  const counts = new Float32Array(lengths.length * kept);
  for (const [row, length] of lengths.entries()) {
    counts.fill(1, row * kept, row * kept + Math.min(length, kept));
    if (length < kept) counts[row * kept + length] = time - length;
  }
  return tf.tensor2d(counts, [lengths.length, kept]);
}

/** {@link countsOf} of a batch. */
export function countsOfBatch(tokens: TokenBatch, kept: number): Tensor2D {
  return countsOf(lengthsOf(tokens), tokens.time, kept);
}

/** Spikes [B, S, kept, C] at all positions, [B, T, S * C]: padding is like the padding that was computed. */
export function atAllPositions(spikes: Tensor4D, tokens: TokenBatch): Tensor3D {
  const [batch, steps, kept, channels] = spikes.shape;
  const { time } = tokens;
  const rows = tf.reshape(tf.transpose(spikes, [0, 2, 1, 3]), [batch * kept, steps * channels]);
  const index = new Int32Array(batch * time);
  for (const [row, length] of lengthsOf(tokens).entries())
    for (let at = 0; at < time; at++) index[row * time + at] = row * kept + Math.min(at, length);
  return tf.reshape(tf.gather(rows, tf.tensor1d(index, 'int32')), [batch, time, steps * channels]);
}
