import * as tf from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { layerNorm } from '../composite.js';
import { LEAST_AMPLITUDE, TERNARY_DECAY } from './names.js';
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

/** Ternary neurons over steps. */
export function ternarySteps(
  x: Tensor4D,
  bias: Tensor1D | undefined,
  amplitudes: Tensor1D,
  remembers: boolean,
): Tensor4D {
  return tf.tidy(() => {
    const currents = bias ? tf.add<Tensor4D>(x, bias) : x;
    const fired: Tensor4D[] = [];
    let rest: Tensor4D | undefined;
    for (let t = 0; t < amplitudes.shape[0]; t++) {
      const current = stepOf(currents, t);
      const potential = rest ? tf.add<Tensor4D>(rest, current) : current;
      const amplitude = tf.slice(amplitudes, [t], [1]);
      const height = tf.maximum(amplitude, LEAST_AMPLITUDE);
      const signs = tf.clipByValue(tf.round(tf.div<Tensor4D>(potential, height)), -1, 1);
      const spikes = tf.mul<Tensor4D>(signs, height);
      if (remembers)
        rest = tf.mul<Tensor4D>(tf.mul(potential, TERNARY_DECAY), tf.sub(amplitude, spikes));
      fired.push(spikes);
    }
    return tf.concat(fired, 1);
  });
}

/** Far below every score: of a position behind it nothing is left after the softmax. */
const MASKED = -1e9;

/** Attention by softmax over the real positions. */
export function softmaxAttention(
  q: Tensor4D,
  bias: Tensor1D,
  k: Tensor4D,
  v: Tensor4D,
  lengths: Tensor1D,
  heads: number,
): Tensor4D {
  return tf.tidy(() => {
    const [batch, steps, positions, channels] = q.shape;
    const queries = headsOf(tf.add<Tensor4D>(q, bias), heads);
    const products = tf.matMul<Tensor3D>(queries, headsOf(k, heads), false, true);
    const scores = tf.div<Tensor3D>(products, Math.sqrt(channels / heads));
    const hidden = tf.greaterEqual(
      tf.reshape(tf.range(0, positions, 1, 'int32'), [1, positions]),
      tf.reshape(lengths, [batch, 1]),
    );
    const mask = tf.reshape(tf.mul(tf.cast(hidden, 'float32'), MASKED), [batch, 1, 1, positions]);
    const rows = tf.reshape(scores, [batch, steps * heads, positions, positions]);
    const weights: Tensor3D = tf.reshape(tf.softmax(tf.add(rows, mask)), scores.shape);
    return joinHeads(tf.matMul(weights, headsOf(v, heads)), q.shape, heads);
  });
}

/** GELU of x + bias. */
export function biasGelu(x: Tensor4D, bias: Tensor1D): Tensor4D {
  return tf.tidy(() => {
    const sum = tf.add<Tensor4D>(x, bias);
    const share = tf.mul(tf.add(tf.erf(tf.mul(sum, Math.SQRT1_2)), 1), 0.5);
    return tf.mul<Tensor4D>(sum, share);
  });
}

/** Layer norm of x + bias + residual. */
export function addNorm(
  x: Tensor4D,
  residual: Tensor4D,
  { bias, gamma, beta, epsilon }: StepNorm,
): Tensor4D {
  return tf.tidy(() =>
    layerNorm(tf.add<Tensor4D>(tf.add(x, bias), residual), gamma, beta, epsilon),
  );
}

/** Integrate-and-fire neurons over steps. */
export function integrateFire(
  x: Tensor4D,
  bias: Tensor1D | undefined,
  membrane: Tensor3D,
  threshold: number,
): { spikes: Tensor4D; membrane: Tensor3D } {
  const [batch, steps, positions, channels] = x.shape;
  return tf.tidy(() => {
    const currents = bias ? tf.add<Tensor4D>(x, bias) : x;
    const fired: Tensor4D[] = [];
    let potential: Tensor4D = tf.reshape(membrane, [batch, 1, positions, channels]);
    for (let t = 0; t < steps; t++) {
      const charged = tf.add<Tensor4D>(potential, stepOf(currents, t));
      const spikes = tf.cast(tf.greaterEqual<Tensor4D>(charged, threshold), 'float32');
      potential = tf.sub(charged, tf.mul(spikes, threshold));
      fired.push(spikes);
    }
    return { spikes: tf.concat(fired, 1), membrane: tf.reshape(potential, membrane.shape) };
  });
}

/** 2^t of each step, [1, T, 1, 1]. */
function powers(steps: number): Tensor4D {
  const values = Array.from({ length: steps }, (_, t) => 2 ** t);
  return tf.tensor4d(values, [1, steps, 1, 1]);
}

/** Spikes of some steps as bits. */
export function packSteps(spikes: Tensor4D): Tensor4D {
  return tf.tidy(() => tf.sum<Tensor4D>(tf.mul(spikes, powers(spikes.shape[1])), 1, true));
}

/** The way back from {@link packSteps}. */
export function unpackSteps(words: Tensor4D, steps: number): Tensor4D {
  return tf.tidy(() => tf.mod<Tensor4D>(tf.floor(tf.div(words, powers(steps))), 2));
}
