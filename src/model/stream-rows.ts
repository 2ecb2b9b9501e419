import * as tf from '@tensorflow/tfjs-core';
import type { Tensor } from '@tensorflow/tfjs-core';

/** Some rows of a stream [B, …], by their place in it. */
export function someRows(stream: Tensor, rows: readonly number[]): Tensor {
  return tf.tidy(() => tf.gather(stream, tf.tensor1d([...rows], 'int32')));
}

/**
 * The stream of a whole batch, as a tensor of its own.
 *
 * @param stream of those sequences of the batch that are in `rows`
 * @param others of the whole batch, for the sequences that are not; only needed where there are such
 */
export function wholeStream(
  stream: Tensor,
  rows: readonly number[],
  others: Tensor | undefined,
): Tensor {
  if (others === undefined || rows.length === others.shape[0]) return stream.clone();
  if (rows.length === 0) return others.clone();
  const [batch] = others.shape;
  const source = Array.from({ length: batch }, (_, row) => row);
  for (const [index, row] of rows.entries()) source[row] = batch + index;
  return tf.tidy(() => tf.gather(tf.concat([others, stream], 0), tf.tensor1d(source, 'int32')));
}

/** Rows in which two streams of one shape are not the same to the bit. */
export async function differingRows(one: Tensor, other: Tensor): Promise<number[]> {
  const [batch] = one.shape;
  const size = one.size / batch;
  const [ours, theirs] = await Promise.all([bitsOf(one), bitsOf(other)]);
  const differs = (row: number): boolean => {
    for (let at = row * size; at < (row + 1) * size; at++) if (ours[at] !== theirs[at]) return true;
    return false;
  };
  return Array.from({ length: batch }, (_, row) => row).filter(differs);
}

/** The values as bits: equality of bits is stricter than of numbers, and NaN equals itself. */
async function bitsOf(tensor: Tensor): Promise<Int32Array> {
  const { buffer, byteOffset, length } = await tensor.data<'float32'>();
  return new Int32Array(buffer, byteOffset, length);
}
