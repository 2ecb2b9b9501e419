import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { EMPTY_EXPONENT, LAYER_NORM_EPSILON, LIF_TAU, LIF_THRESHOLD } from './names.js';

/**
 * The kernels composed of whole-tensor operations, for a backend without kernels of ours: the native
 * `tensorflow` backend on a CPU or a GPU. A loop over tokens would issue thousands of operations; the
 * recurrences are scans instead, log2(T) rounds of a few operations each (Hillis and Steele, 1986).
 * Signatures and shapes as in {@link ./ops.ts}.
 */

export function layerNorm<T extends Tensor>(x: T, gamma: Tensor1D, beta: Tensor1D): T {
  return tf.tidy(() => {
    const { mean, variance } = tf.moments(x, -1, true);
    const scale = tf.rsqrt(variance.add(LAYER_NORM_EPSILON));
    return x.sub(mean).mul(scale).mul(gamma).add(beta);
  });
}

export function tokenMix(
  x: Tensor3D,
  gamma: Tensor1D,
  beta: Tensor1D,
  mixes: Tensor2D,
  shift: Tensor2D,
): { mixed: Tensor3D[]; last: Tensor2D } {
  const [batch, time, channels] = x.shape;
  return tf.tidy(() => {
    const normed = layerNorm(x, gamma, beta);
    const first = shift.reshape<Tensor3D>([batch, 1, channels]);
    const before = tf.concat([first, normed.slice([0, 0, 0], [batch, time - 1, channels])], 1);
    const difference = normed.sub(before);
    return {
      mixed: tf.unstack(mixes).map((mix) => before.add(difference.mul<Tensor3D>(mix))),
      last: normed.slice([0, time - 1, 0], [batch, 1, channels]).reshape([batch, channels]),
    };
  });
}

/** `x` moved `steps` tokens later, `fill` before it. x: [B, T, C]. */
function delayed(x: Tensor3D, steps: number, fill: number): Tensor3D {
  const [batch, time, channels] = x.shape;
  const kept = x.slice([0, 0, 0], [batch, time - steps, channels]);
  return kept.pad(
    [
      [0, 0],
      [steps, 0],
      [0, 0],
    ],
    fill,
  );
}

/**
 * Each token is a sum (a, b) scaled by e^p; a step to the next token decays it by e^w. Prefix sums of
 * these over tokens, the state before the first token in front, are all states the recurrence has.
 */
export function wkv(
  k: Tensor3D,
  v: Tensor3D,
  r: Tensor3D,
  decay: Tensor1D,
  first: Tensor1D,
  state: Tensor3D,
): { out: Tensor3D; state: Tensor3D } {
  const [batch, time, channels] = k.shape;
  const row = (index: number): Tensor3D => state.slice([0, index, 0], [batch, 1, channels]);
  return tf.tidy(() => {
    const w = tf.neg(tf.exp(decay));
    let a: Tensor3D = tf.concat([row(0), v], 1);
    let b = tf.concat([row(1), tf.onesLike(v)], 1);
    let p = tf.concat([row(2), k], 1);
    for (let distance = 1; distance <= time; distance *= 2) {
      const earlier = delayed(p, distance, EMPTY_EXPONENT).add<Tensor3D>(w.mul(distance));
      const top = tf.maximum<Tensor3D>(p, earlier);
      const past = tf.exp(earlier.sub(top));
      const present = tf.exp(p.sub(top));
      a = present.mul(a).add(past.mul(delayed(a, distance, 0)));
      b = present.mul(b).add(past.mul(delayed(b, distance, 0)));
      p = top;
    }
    const states = [a, b, p];
    const [numerator, denominator, exponent] = states.map((prefix) =>
      prefix.slice<Tensor3D>([0, 0, 0], [batch, time, channels]),
    );
    const now = k.add<Tensor3D>(first);
    const top = tf.maximum(exponent, now);
    const past = tf.exp(exponent.sub(top));
    const present = tf.exp(now.sub(top));
    const average = past
      .mul(numerator)
      .add(present.mul(v))
      .div<Tensor3D>(past.mul(denominator).add(present));
    const last = states.map((prefix) => prefix.slice<Tensor3D>([0, time, 0], [batch, 1, channels]));
    return { out: tf.sigmoid(r).mul<Tensor3D>(average), state: tf.concat<Tensor3D>(last, 1) };
  });
}

/**
 * A charge 64 tokens old has been halved 64 times: 2^-64 of it is below the rounding of float32 beside
 * any potential near the threshold, so the scan looks no further back.
 */
const LIF_MEMORY_TOKENS = 64;

/** h[t] = x[t] / 2 + h[t - 1] / 2, the second term only where no spike at t - 1 reset it. */
function membranePotentials(current: Tensor3D, spikes: Tensor3D): Tensor3D {
  const time = current.shape[1];
  let potential = current.div<Tensor3D>(LIF_TAU);
  let factor = delayed(tf.scalar(1).sub<Tensor3D>(spikes), 1, 0).mul<Tensor3D>(1 - 1 / LIF_TAU);
  for (let distance = 1; distance < Math.min(time, LIF_MEMORY_TOKENS); distance *= 2) {
    potential = potential.add(factor.mul(delayed(potential, distance, 0)));
    factor = factor.mul(delayed(factor, distance, 0));
  }
  return potential;
}

/**
 * The hard reset makes the recurrence non-linear: where a spike resets is known only after it. With the
 * resets guessed it is linear, a scan; the spikes that come out are the next guess. A guess that is right
 * up to some token gives potentials that are right one token further, so the guesses settle on the one
 * answer, after at most T rounds and in practice a few: potentials halve each token, so a wrong reset is
 * soon forgotten.
 */
export function spikingResidual(
  x: Tensor3D,
  gate: Tensor3D | undefined,
  residual: Tensor3D,
  membrane: Tensor2D,
  withSpikes: boolean,
): { out: Tensor3D; membrane: Tensor2D; spikes: Tensor3D | undefined } {
  const [batch, time, channels] = x.shape;
  return tf.tidy(() => {
    const gated = gate === undefined ? x : tf.sigmoid(gate).mul<Tensor3D>(x);
    // The potential before the first token enters like a current beside x[0]: both are halved.
    const initial: Tensor3D = membrane.reshape<Tensor3D>([batch, 1, channels]).pad([
      [0, 0],
      [0, time - 1],
      [0, 0],
    ]);
    const current = gated.add<Tensor3D>(initial);
    let spikes: Tensor3D = tf.zerosLike(current);
    let potential: Tensor3D = tf.zerosLike(current);
    for (let round = 0; round <= time; round++) {
      const guess = spikes;
      const { h, fired, settled } = tf.tidy(() => {
        const h = membranePotentials(current, guess);
        const fired = h.greaterEqual(LIF_THRESHOLD).cast<Tensor3D>('float32');
        return { h, fired, settled: tf.equal(fired, guess).all() };
      });
      potential = h;
      spikes = fired;
      if (settled.dataSync()[0] === 1) break;
    }
    const after = potential
      .mul<Tensor3D>(tf.scalar(1).sub(spikes))
      .slice([0, time - 1, 0], [batch, 1, channels])
      .reshape<Tensor2D>([batch, channels]);
    return {
      out: residual.add<Tensor3D>(spikes),
      membrane: after,
      spikes: withSpikes ? spikes : undefined,
    };
  });
}

export function squaredRelu<T extends Tensor>(x: T): T {
  return tf.tidy(() => tf.square(tf.relu(x)));
}

export function tokenNll(logits: Tensor2D, targets: Tensor1D): Tensor1D {
  return tf.tidy(() => {
    const [rows, classes] = logits.shape;
    const index = tf.range(0, rows, 1, 'int32').mul(classes).add(targets);
    const chosen = tf.gather(logits.reshape([rows * classes]), index);
    return tf.logSumExp(logits, -1).sub<Tensor1D>(chosen);
  });
}

export function maskedMean(x: Tensor3D, lengths: Tensor1D): Tensor2D {
  const [batch, time] = x.shape;
  return tf.tidy(() => {
    const counts = lengths.cast('float32').reshape([batch, 1]);
    const real = tf.range(0, time).reshape([1, time]).less(counts).cast('float32');
    const total = x.mul<Tensor3D>(real.reshape([batch, time, 1])).sum<Tensor2D>(1);
    return total.div<Tensor2D>(counts);
  });
}
