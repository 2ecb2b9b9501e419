import * as tf from '@tensorflow/tfjs-core';
import type { Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { layerNorm } from '../composite.js';
import type { LifSettings, StepNorm } from './types.js';

/*
 * The step kernels composed of whole-tensor operations, for a backend without kernels of ours. Steps are few
 * and follow on each other, so that each is a handful of operations on all sequences and positions.
 * Signatures and shapes as in ops.ts.
 */

/** Step t of [B, T, L, C], as [B, 1, L, C]; the only one there is stands for all. */
function stepOf(x: Tensor4D, t: number): Tensor4D {
  const [batch, steps, positions, channels] = x.shape;
  return steps === 1 ? x : tf.slice(x, [0, t, 0, 0], [batch, 1, positions, channels]);
}

/** LIF neurons over steps. */
export function lifSteps(
  x: Tensor4D,
  norm: StepNorm | undefined,
  { steps, tau, threshold, scale = 1 }: LifSettings,
): Tensor4D {
  return tf.tidy(() => {
    const currents = norm
      ? layerNorm(tf.add<Tensor4D>(x, norm.bias), norm.gamma, norm.beta, norm.epsilon)
      : tf.mul<Tensor4D>(x, scale);
    const fired: Tensor4D[] = [];
    let potential: Tensor4D = tf.zerosLike(stepOf(currents, 0));
    for (let t = 0; t < steps; t++) {
      const current = stepOf(currents, t);
      const charged = tf.add<Tensor4D>(potential, tf.div(tf.sub(current, potential), tau));
      const spikes = tf.cast(tf.greaterEqual<Tensor4D>(charged, threshold), 'float32');
      potential = tf.mul(charged, tf.sub(1, spikes));
      fired.push(spikes);
    }
    return tf.concat(fired, 1);
  });
}

/** The heads of [B, T, L, C] apart: [B · T · heads, L, C / heads]. */
function headsOf(x: Tensor4D, heads: number): Tensor3D {
  const [batch, steps, positions, channels] = x.shape;
  const width = channels / heads;
  const apart = tf.reshape(x, [batch * steps, positions, heads, width]);
  const first = tf.transpose(apart, [0, 2, 1, 3]);
  return tf.reshape(first, [batch * steps * heads, positions, width]);
}

/** The way back from {@link headsOf}. */
function joinHeads(
  x: Tensor3D,
  [batch, steps, positions, channels]: Tensor4D['shape'],
  heads: number,
): Tensor4D {
  const apart = tf.reshape(x, [batch * steps, heads, positions, channels / heads]);
  const last = tf.transpose(apart, [0, 2, 1, 3]);
  return tf.reshape(last, [batch, steps, positions, channels]);
}

/** Attention of spikes without softmax. */
export function spikeAttention(
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  weights: Tensor2D,
  heads: number,
): Tensor4D {
  return tf.tidy(() => {
    const [batch, , positions] = q.shape;
    const counted = tf.mul<Tensor4D>(v, tf.reshape(weights, [batch, 1, positions, 1]));
    const sums = tf.matMul<Tensor3D>(headsOf(k, heads), headsOf(counted, heads), true, false);
    return joinHeads(tf.matMul(headsOf(q, heads), sums), q.shape, heads);
  });
}
