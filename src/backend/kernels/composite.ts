import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { EMPTY_EXPONENT, LAYER_NORM_EPSILON, LIF_TAU, LIF_THRESHOLD } from './names.js';

/*
 * The kernels composed of whole-tensor operations, for a backend without kernels of ours: the native
 * `tensorflow` backend on a CPU or a GPU. A loop over tokens would issue thousands of operations; the
 * recurrences are scans instead, log2(T) rounds of a few operations each (Hillis and Steele, 1986).
 * Signatures and shapes as in ops.ts.
 */

/** Rows of a table by index. */
export function gatherRows(table: Tensor2D, indices: Tensor1D): Tensor2D {
  return tf.gather(table, indices);
}

/** Layer norm over the last axis. */
export function layerNorm<T extends Tensor>(
  x: T,
  gamma: Tensor1D,
  beta: Tensor1D,
  epsilon = LAYER_NORM_EPSILON,
): T {
  return tf.tidy(() => {
    const { mean, variance } = tf.moments(x, -1, true);
    const scale = tf.rsqrt(tf.add(variance, epsilon));
    const centred = tf.sub(x, mean);
    return tf.add(tf.mul(tf.mul(centred, scale), gamma), beta);
  });
}

/** Tokens [from, from + count) of x: [B, T, C]. */
export function tokens(x: Tensor3D, from: number, count: number): Tensor3D {
  return tf.slice(x, [0, from, 0], [x.shape[0], count, x.shape[2]]);
}

/** Layer norm, token shift and interpolation. */
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
    const first: Tensor3D = tf.reshape(shift, [batch, 1, channels]);
    const before = tf.concat([first, tokens(normed, 0, time - 1)], 1);
    const difference = tf.sub<Tensor3D>(normed, before);
    return {
      mixed: tf.unstack(mixes).map((mix) => tf.add<Tensor3D>(before, tf.mul(difference, mix))),
      last: tf.reshape<tf.Rank.R2>(tokens(normed, time - 1, 1), [batch, channels]),
    };
  });
}

/**
 * The next round's streams in place of the last one's. Without it a scan holds the streams of all its rounds, two
 * hundred of them at 1,024 tokens, where a GPU's memory ends.
 */
function replacing(streams: Tensor3D[], round: (streams: Tensor3D[]) => Tensor3D[]): Tensor3D[] {
  const next = tf.tidy(() => round(streams));
  tf.dispose(streams);
  return next;
}

/** `x` moved `steps` tokens later, `fill` before it. x: [B, T, C]. */
export function delayed(x: Tensor3D, steps: number, fill: number): Tensor3D {
  const none: [number, number] = [0, 0];
  return tf.tidy(() => tf.pad(tokens(x, 0, x.shape[1] - steps), [none, [steps, 0], none], fill));
}

/** past · x + present · y. */
export function blend(past: Tensor3D, x: Tensor3D, present: Tensor3D, y: Tensor3D): Tensor3D {
  return tf.tidy(() => tf.add(tf.mul(past, x), tf.mul(present, y)));
}

/** The weights e^{p - m} and e^{q - m}, m = max(p, q), of two sums scaled by e^p and e^q; and m. */
export function weigh(
  p: Tensor3D,
  q: Tensor3D,
): { past: Tensor3D; present: Tensor3D; top: Tensor3D } {
  const top = tf.maximum<Tensor3D>(p, q);
  return { past: tf.exp(tf.sub<Tensor3D>(p, top)), present: tf.exp(tf.sub<Tensor3D>(q, top)), top };
}

/** Sums with and without values, (a, b), scaled by e^p. Each: [B, T, C]. */
export type ScaledSums = readonly [a: Tensor3D, b: Tensor3D, p: Tensor3D];

/**
 * At each token the sums over it and all before, where a step to the next token decays a sum by e^w.
 *
 * @param terms of each token; disposed
 */
export function prefixSums(terms: ScaledSums, w: Tensor1D): ScaledSums {
  const time = terms[0].shape[1];
  let prefixes: Tensor3D[] = [...terms];
  for (let distance = 1; distance < time; distance *= 2)
    prefixes = replacing(prefixes, ([a, b, p]) => {
      const earlier = delayed(p, distance, EMPTY_EXPONENT);
      const { past, present, top } = weigh(tf.add(earlier, tf.mul(w, distance)), p);
      return [
        blend(past, delayed(a, distance, 0), present, a),
        blend(past, delayed(b, distance, 0), present, b),
        top,
      ];
    });
  const [a, b, p] = prefixes;
  return [a, b, p];
}

/** Prefix sums over tokens, the state before the first token in front, are all states the recurrence has. */
export function wkv(
  k: Tensor3D,
  v: Tensor3D,
  r: Tensor3D,
  decay: Tensor1D,
  first: Tensor1D,
  state: Tensor3D,
): { out: Tensor3D; state: Tensor3D } {
  const time = k.shape[1];
  return tf.tidy(() => {
    const terms: ScaledSums = [
      tf.concat([tokens(state, 0, 1), v], 1),
      tf.concat([tokens(state, 1, 1), tf.onesLike(v)], 1),
      tf.concat([tokens(state, 2, 1), k], 1),
    ];
    const prefixes = prefixSums(terms, tf.neg(tf.exp(decay)));
    const [numerator, denominator, exponent] = prefixes.map((prefix) => tokens(prefix, 0, time));
    const { past, present } = weigh(exponent, tf.add(k, first));
    const average = tf.div<Tensor3D>(
      blend(past, numerator, present, v),
      blend(past, denominator, present, tf.onesLike(v)),
    );
    const last = prefixes.map((prefix) => tokens(prefix, time, 1));
    return { out: tf.mul<Tensor3D>(tf.sigmoid(r), average), state: tf.concat(last, 1) };
  });
}

/**
 * A charge 64 tokens old has been halved 64 times: 2^-64 of it is below the rounding of float32 beside
 * any potential near the threshold, so the scan looks no further back.
 */
const LIF_MEMORY_TOKENS = 64;

/**
 * Rounds before the device is asked whether the guesses have settled: each question waits for it. Further
 * rounds change nothing once they have.
 */
const LIF_ROUNDS = 4;

/** h[t] = x[t] / 2 + h[t - 1] / 2, the second term only where no spike at t - 1 reset it. */
function membranePotentials(current: Tensor3D, spikes: Tensor3D): Tensor3D {
  const time = current.shape[1];
  let scan: Tensor3D[] = [
    tf.div(current, LIF_TAU),
    tf.tidy(() => tf.mul(delayed(tf.sub(1, spikes), 1, 0), 1 - 1 / LIF_TAU)),
  ];
  for (let distance = 1; distance < Math.min(time, LIF_MEMORY_TOKENS); distance *= 2)
    scan = replacing(scan, ([potential, factor]) => [
      tf.add(potential, tf.mul(factor, delayed(potential, distance, 0))),
      tf.mul(factor, delayed(factor, distance, 0)),
    ]);
  const [potential, factor] = scan;
  factor.dispose();
  return potential;
}

/**
 * Potentials h before a reset, and spikes. The hard reset makes the recurrence non-linear: where a spike resets
 * is known only after it. With the resets guessed it is linear, a scan; the spikes that come out are the next
 * guess. A guess that is right up to some token gives potentials that are right one token further, so the
 * guesses settle on the one answer, after at most T rounds and in practice a few: potentials halve each token,
 * so a wrong reset is soon forgotten.
 */
export function membraneOf(current: Tensor3D): { potential: Tensor3D; spikes: Tensor3D } {
  const time = current.shape[1];
  return tf.tidy(() => {
    let spikes: Tensor3D = tf.zerosLike(current);
    let potential: Tensor3D = tf.zerosLike(current);
    for (let round = 0; round <= time; round += LIF_ROUNDS) {
      let settled: Tensor | undefined;
      for (let one = 0; one < LIF_ROUNDS; one++) {
        const guess = spikes;
        const before = [potential, spikes];
        const last = one === LIF_ROUNDS - 1;
        const found = tf.tidy(() => {
          const h = membranePotentials(current, guess);
          const fired = tf.cast(tf.greaterEqual<Tensor3D>(h, LIF_THRESHOLD), 'float32');
          return { h, fired, ...(last && { settled: tf.all(tf.equal(fired, guess)) }) };
        });
        ({ h: potential, fired: spikes } = found);
        settled = found.settled;
        tf.dispose(before);
      }
      if (settled!.dataSync()[0] === 1) break;
    }
    return { potential, spikes };
  });
}

/** LIF neurons over tokens, added to the residual stream. */
export function spikingResidual(
  x: Tensor3D,
  gate: Tensor3D | undefined,
  residual: Tensor3D,
  membrane: Tensor2D,
  withSpikes: boolean,
): { out: Tensor3D; membrane: Tensor2D; spikes: Tensor3D | undefined } {
  const [batch, time, channels] = x.shape;
  return tf.tidy(() => {
    const gated = gate === undefined ? x : tf.mul<Tensor3D>(tf.sigmoid(gate), x);
    // The potential before the first token enters like a current beside x[0]: both are halved.
    const none: [number, number] = [0, 0];
    const rest: Tensor3D = tf.reshape(membrane, [batch, 1, channels]);
    const current = tf.add<Tensor3D>(gated, tf.pad(rest, [none, [0, time - 1], none]));
    const { potential, spikes } = membraneOf(current);
    const kept = tf.mul<Tensor3D>(potential, tf.sub(1, spikes));
    return {
      out: tf.add<Tensor3D>(residual, spikes),
      membrane: tf.reshape<tf.Rank.R2>(tokens(kept, time - 1, 1), [batch, channels]),
      spikes: withSpikes ? spikes : undefined,
    };
  });
}

/**
 * x · weights. A single row is multiplied twice: libraries have a product of their own for it, which adds in
 * another order, and a token's numbers must not depend on the batch.
 */
export function matMul(x: Tensor2D, weights: Tensor2D): Tensor2D {
  const [rows] = x.shape;
  if (rows !== 1) return tf.matMul(x, weights);
  return tf.tidy(() =>
    tf.slice(tf.matMul<Tensor2D>(tf.concat([x, x]), weights), [0, 0], [1, weights.shape[1]]),
  );
}

/** max(x, 0)² · weights. */
export function squaredReluMatMul(x: Tensor3D, weights: Tensor2D): Tensor3D {
  const [batch, time, hidden] = x.shape;
  return tf.tidy(() => {
    const activations = tf.reshape<tf.Rank.R2>(tf.square(tf.relu(x)), [batch * time, hidden]);
    return tf.reshape(matMul(activations, weights), [batch, time, weights.shape[1]]);
  });
}

/** Negative log-likelihood of one target a row, in nats. */
export function tokenNll(logits: Tensor2D, targets: Tensor1D): Tensor1D {
  return tf.tidy(() => {
    const [rows, classes] = logits.shape;
    const index = tf.add<Tensor1D>(
      tf.mul(tf.range(0, rows, 1, 'int32'), tf.scalar(classes, 'int32')),
      targets,
    );
    const chosen = tf.gather(tf.reshape<tf.Rank.R1>(logits, [rows * classes]), index);
    return tf.sub<Tensor1D>(tf.logSumExp(logits, -1), chosen);
  });
}

/** Mean over the first lengths[n] tokens. */
export function maskedMean(x: Tensor3D, lengths: Tensor1D): Tensor2D {
  const [batch, time] = x.shape;
  return tf.tidy(() => {
    const counts: Tensor2D = tf.reshape(tf.cast(lengths, 'float32'), [batch, 1]);
    const real = tf.less(tf.reshape(tf.range(0, time), [1, time]), counts);
    const mask = tf.reshape(tf.cast(real, 'float32'), [batch, time, 1]);
    return tf.div<Tensor2D>(tf.sum(tf.mul(x, mask), 1), counts);
  });
}
