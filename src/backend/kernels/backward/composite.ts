import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import {
  blend,
  delayed,
  membraneOf,
  prefixSums,
  tokens,
  weigh,
  type ScaledSums,
} from '../composite.js';
import { LAYER_NORM_EPSILON, EMPTY_EXPONENT, LIF_TAU, LIF_THRESHOLD } from '../names.js';
import type { MixGradients, NormGradients, SpikeGradients, WkvGradients } from './types.js';

/*
 * Gradients composed of whole-tensor operations, for a backend without kernels of ours. Not by
 * differentiating the forward pass: tfjs-core registers no gradients unless the union package is loaded, and
 * spikes have none. The recurrences of the gradients are scans, as those of the forward pass. Signatures and shapes as in ops.ts.
 */

/** Gradient of layer norm. */
export function layerNormBackward<T extends Tensor>(
  x: T,
  gamma: Tensor1D,
  dy: T,
  epsilon = LAYER_NORM_EPSILON,
): NormGradients<T> {
  return tf.tidy(() => {
    const { mean, variance } = tf.moments(x, -1, true);
    const scale = tf.rsqrt(tf.add(variance, epsilon));
    const normed = tf.mul<T>(tf.sub(x, mean), scale);
    const scaled = tf.mul<T>(dy, gamma);
    const plain = tf.mean(scaled, -1, true);
    const along = tf.mul(normed, tf.mean(tf.mul(scaled, normed), -1, true));
    const rows = x.shape.slice(0, -1).map((_, axis) => axis);
    return {
      dx: tf.mul<T>(tf.sub(scaled, tf.add(plain, along)), scale),
      dgamma: tf.sum<Tensor1D>(tf.mul(dy, normed), rows),
      dbeta: tf.sum<Tensor1D>(dy, rows),
    };
  });
}

/** `x` moved one token earlier, zeros behind it. x: [B, T, C]. */
function advanced(x: Tensor3D, steps: number, fill = 0): Tensor3D {
  const none: [number, number] = [0, 0];
  return tf.tidy(() =>
    tf.pad(tokens(x, steps, x.shape[1] - steps), [none, [0, steps], none], fill),
  );
}

/** Gradient of layer norm, token shift and interpolation. */
export function tokenMixBackward(
  x: Tensor3D,
  gamma: Tensor1D,
  beta: Tensor1D,
  mixes: Tensor2D,
  dmixed: readonly Tensor3D[],
): MixGradients {
  return tf.tidy(() => {
    const { mean, variance } = tf.moments(x, -1, true);
    const normed = tf.add<Tensor3D>(
      tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, LAYER_NORM_EPSILON))), gamma),
      beta,
    );
    const step = tf.sub<Tensor3D>(normed, delayed(normed, 1, 0));
    const rows = tf.unstack(mixes) as Tensor1D[];
    const direct = tf.addN(rows.map((mix, at) => tf.mul<Tensor3D>(dmixed[at], mix)));
    const shifted = tf.addN(rows.map((mix, at) => tf.mul<Tensor3D>(dmixed[at], tf.sub(1, mix))));
    const dnormed = tf.add<Tensor3D>(direct, advanced(shifted, 1));
    const dmixes = tf.stack(dmixed.map((d) => tf.sum(tf.mul(d, step), [0, 1]))) as Tensor2D;
    return { ...layerNormBackward(x, gamma, dnormed), dmixes };
  });
}

/** The sums at each token over those before it, from `terms` of each: nothing at the first one. */
function sumsBefore([a, b, p]: ScaledSums, w: Tensor1D): ScaledSums {
  return prefixSums([delayed(a, 1, 0), delayed(b, 1, 0), delayed(p, 1, EMPTY_EXPONENT)], w);
}

/**
 * The states are prefix sums over tokens, and the gradients by them are prefix sums from the end (loops.ts has the
 * recurrence): dA[t + 1] sums e^((s - t - 1) w) dN[s] over the tokens s behind t.
 */
export function wkvBackward(
  k: Tensor3D,
  v: Tensor3D,
  r: Tensor3D,
  decay: Tensor1D,
  first: Tensor1D,
  dout: Tensor3D,
): WkvGradients {
  return tf.tidy(() => {
    const one = tf.onesLike(k);
    const w = tf.neg(tf.exp(decay));
    const [numerator, denominator, exponent] = sumsBefore([v, one, k], w);
    const { past, present, top } = weigh(exponent, tf.add(k, first));
    const all = blend(past, denominator, present, one);
    const average = tf.div<Tensor3D>(blend(past, numerator, present, v), all);
    const gate = tf.sigmoid(r);
    const gated = tf.mul<Tensor3D>(dout, gate);
    const dnumerator = tf.div<Tensor3D>(gated, all);
    const ddenominator = tf.neg(tf.mul<Tensor3D>(dnumerator, average));

    const turned = [dnumerator, ddenominator, tf.neg(top)].map((x) => tf.reverse(x, 1));
    const [turnedA, turnedB, turnedP] = turned;
    const [dpast, dcount, scale] = sumsBefore([turnedA, turnedB, turnedP], w).map((x) =>
      tf.reverse(x, 1),
    );
    const fresh = tf.mul<Tensor3D>(present, dnumerator);
    const own = tf.mul<Tensor3D>(fresh, tf.sub(v, average));
    const onward = tf.exp(tf.add<Tensor3D>(k, scale));
    const still = tf.exp(tf.add(tf.add<Tensor3D>(exponent, scale), w));
    const held = blend(dpast, numerator, dcount, denominator);
    return {
      dk: tf.add<Tensor3D>(own, tf.mul(onward, blend(dpast, v, dcount, one))),
      dv: tf.add<Tensor3D>(fresh, tf.mul(onward, dpast)),
      dr: tf.mul<Tensor3D>(tf.mul(gated, average), tf.sub(1, gate)),
      // w = -e^decay is its own derivative.
      ddecay: tf.mul<Tensor1D>(tf.sum(tf.mul(still, held), [0, 1]), w),
      dfirst: tf.sum<Tensor1D>(own, [0, 1]),
    };
  });
}

/**
 * With the potentials h known, the gradient by them is linear in the one of the token after: dh[t] = a[t] +
 * b[t] dh[t + 1], which a scan from the end solves in log2(T) rounds.
 */
export function spikesBackward(
  x: Tensor3D,
  gate: Tensor3D | undefined,
  dout: Tensor3D,
): SpikeGradients {
  return tf.tidy(() => {
    const open = gate && tf.sigmoid(gate);
    const current = open ? tf.mul<Tensor3D>(open, x) : x;
    const { potential, spikes } = membraneOf(current);
    const distance = tf.mul(tf.sub(potential, LIF_THRESHOLD), Math.PI);
    const slope = tf.div<Tensor3D>(1, tf.add(1, tf.square(distance)));
    const kept = tf.sub<Tensor3D>(tf.sub(1, spikes), tf.mul(potential, slope));
    let gradient = tf.mul<Tensor3D>(dout, slope);
    let factor = tf.mul<Tensor3D>(kept, 1 - 1 / LIF_TAU);
    for (let steps = 1; steps < x.shape[1]; steps *= 2) {
      gradient = tf.add(gradient, tf.mul(factor, advanced(gradient, steps)));
      factor = tf.mul(factor, advanced(factor, steps));
    }
    const dcurrent = tf.div<Tensor3D>(gradient, LIF_TAU);
    if (open === undefined) return { dx: dcurrent, dgate: undefined };
    const slopeOfGate = tf.mul(open, tf.sub(1, open));
    return {
      dx: tf.mul<Tensor3D>(dcurrent, open),
      dgate: tf.mul<Tensor3D>(tf.mul(dcurrent, x), slopeOfGate),
    };
  });
}

/** Gradient of max(x, 0)². */
export function squaredReluBackward(x: Tensor2D, dy: Tensor2D): Tensor2D {
  return tf.tidy(() => tf.mul(dy, tf.mul(2, tf.relu(x))));
}

/** Likelihoods, and the gradient of their weighted sum. */
export function nllBackward(
  logits: Tensor2D,
  targets: Tensor1D,
  weights: Tensor1D,
  pull: number,
): { nll: Tensor1D; dlogits: Tensor2D } {
  return tf.tidy(() => {
    const [rows, classes] = logits.shape;
    const share: Tensor2D = tf.reshape(weights, [rows, 1]);
    const columns = tf.range(0, classes, 1, 'int32');
    const oneHot = (column: Tensor1D): Tensor2D =>
      tf.cast(tf.equal<Tensor2D>(columns, tf.reshape(column, [rows, 1])), 'float32');
    const chosen = oneHot(targets);
    const likely = tf.logSoftmax(logits);
    const highest = oneHot(tf.argMax<Tensor1D>(logits, -1));
    const pulled = tf.mul(tf.mul(highest, logits), pull);
    const difference = tf.sub(tf.exp(likely), chosen);
    return {
      nll: tf.neg(tf.sum<Tensor1D>(tf.mul(likely, chosen), -1)),
      dlogits: tf.mul<Tensor2D>(tf.add(difference, pulled), share),
    };
  });
}

/**
 * Divergence of each row's distribution from a teacher's, both of logits divided by a temperature and the whole
 * multiplied by its square, so that its gradient keeps its size (Hinton et al., 2015): τ² KL(p ‖ q), [N], and the
 * gradient of Σ weight · divergence by the logits, τ (q − p) · weight, [N, V].
 */
export function divergenceBackward(
  logits: Tensor2D,
  teacher: Tensor2D,
  weights: Tensor1D,
  temperature: number,
): { divergence: Tensor1D; dlogits: Tensor2D } {
  return tf.tidy(() => {
    const [own, wanted] = [logits, teacher].map((x) =>
      tf.logSoftmax(tf.div<Tensor2D>(x, temperature)),
    );
    const likely = tf.exp(wanted);
    const sums = tf.sum<Tensor1D>(tf.mul(likely, tf.sub(wanted, own)), -1);
    const share = tf.reshape(tf.mul(weights, temperature), [logits.shape[0], 1]);
    return {
      divergence: tf.mul<Tensor1D>(sums, temperature ** 2),
      dlogits: tf.mul<Tensor2D>(tf.sub(tf.exp(own), likely), share),
    };
  });
}

/** Gradient of means over the first lengths[n] tokens. */
export function maskedMeanBackward(dy: Tensor2D, lengths: Tensor1D, time: number): Tensor3D {
  const [batch, channels] = dy.shape;
  return tf.tidy(() => {
    const counts: Tensor2D = tf.reshape(tf.cast(lengths, 'float32'), [batch, 1]);
    const real = tf.less(tf.reshape(tf.range(0, time), [1, time]), counts);
    const mask = tf.reshape<tf.Rank.R3>(tf.cast(real, 'float32'), [batch, time, 1]);
    const shares = tf.reshape<tf.Rank.R3>(tf.div(dy, counts), [batch, 1, channels]);
    return tf.mul<Tensor3D>(mask, shares);
  });
}
