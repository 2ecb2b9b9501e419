import type { Extent } from '../../src/backend/kernels/loops.js';

/**
 * The kernels written as their formulas, in float64, slow and obvious: what the tests hold every fast
 * form against. Nothing here shares code with {@link ./loops.ts}. Row-major [B, T, C] arrays.
 */

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** (x - mean) / sqrt(variance + epsilon) * gamma + beta of each row of `gamma.length` values. */
export function layerNorm(
  x: readonly number[],
  gamma: readonly number[],
  beta: readonly number[],
  epsilon: number,
): number[] {
  const channels = gamma.length;
  return x.map((value, index) => {
    const start = index - (index % channels);
    const row = x.slice(start, start + channels);
    const mean = row.reduce((sum, other) => sum + other, 0) / channels;
    const variance = row.reduce((sum, other) => sum + (other - mean) ** 2, 0) / channels;
    const channel = index % channels;
    return ((value - mean) / Math.sqrt(variance + epsilon)) * gamma[channel] + beta[channel];
  });
}

/** n[t] * mix + n[t - 1] * (1 - mix) with n already normalized and n[-1] = shift, [B, C]. */
export function tokenShift(
  normed: readonly number[],
  mix: readonly number[],
  shift: readonly number[],
  { time, channels }: Extent,
): number[] {
  return normed.map((value, index) => {
    const channel = index % channels;
    const token = Math.floor(index / channels) % time;
    const sequence = Math.floor(index / (channels * time));
    const before = token === 0 ? shift[sequence * channels + channel] : normed[index - channels];
    return value * mix[channel] + before * (1 - mix[channel]);
  });
}

/**
 * sigmoid(r) * WKV, each token's sums written out over all tokens before it:
 * weights e^{(t - 1 - i) w + k_i} for i < t and e^{u + k_t} for the token itself.
 */
export function wkv(
  k: readonly number[],
  v: readonly number[],
  r: readonly number[],
  decay: readonly number[],
  first: readonly number[],
  { time, channels }: Extent,
): number[] {
  return k.map((_, index) => {
    const channel = index % channels;
    const token = Math.floor(index / channels) % time;
    const w = -Math.exp(decay[channel]);
    const at = (t: number): number => index - (token - t) * channels;
    const exponents = Array.from({ length: token + 1 }, (__, t) =>
      t === token ? first[channel] + k[at(t)] : (token - 1 - t) * w + k[at(t)],
    );
    const top = Math.max(...exponents);
    const weights = exponents.map((exponent) => Math.exp(exponent - top));
    const numerator = weights.reduce((sum, weight, t) => sum + weight * v[at(t)], 0);
    const denominator = weights.reduce((sum, weight) => sum + weight, 0);
    return sigmoid(r[index]) * (numerator / denominator);
  });
}

/** Spikes and charged potentials h of LIF neurons at rest before the first token. */
export function lif(
  current: readonly number[],
  { time, channels }: Extent,
): { spikes: number[]; charged: number[] } {
  const spikes: number[] = [];
  const charged: number[] = [];
  current.forEach((x, index) => {
    const token = Math.floor(index / channels) % time;
    const before = index - channels;
    const rest = token === 0 ? 0 : charged[before] * (1 - spikes[before]);
    charged[index] = rest + (x - rest) / 2;
    spikes[index] = charged[index] >= 1 ? 1 : 0;
  });
  return { spikes, charged };
}

/** x · weights; x: [rows, inner], weights: [inner, columns]. */
export function matMul(x: readonly number[], weights: readonly number[], inner: number): number[] {
  const columns = weights.length / inner;
  const rows = x.length / inner;
  return Array.from({ length: rows * columns }, (_, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += x[row * inner + k] * weights[k * columns + column];
    return sum;
  });
}

/** max(x, 0)² · weights; x: [rows, hidden], weights: [hidden, channels]. */
export function squaredReluMatMul(
  x: readonly number[],
  weights: readonly number[],
  hidden: number,
): number[] {
  const activations = x.map((value) => Math.max(value, 0) ** 2);
  return matMul(activations, weights, hidden);
}

/** log sum e^{x} - x[target] of each row. */
export function tokenNll(
  logits: readonly number[],
  targets: readonly number[],
  classes: number,
): number[] {
  return targets.map((target, row) => {
    const values = logits.slice(row * classes, (row + 1) * classes);
    const top = Math.max(...values);
    const total = values.reduce((sum, value) => sum + Math.exp(value - top), 0);
    return top + Math.log(total) - values[target];
  });
}

/** τ² KL(p ‖ q) of each row, p of a teacher's logits and q of the logits, both divided by τ. */
export function divergence(
  logits: readonly number[],
  teacher: readonly number[],
  classes: number,
  temperature: number,
): number[] {
  const rows = Array.from({ length: logits.length / classes }, (_, row) => row);
  const shares = (all: readonly number[], row: number): number[] => {
    const e = all
      .slice(row * classes, (row + 1) * classes)
      .map((value) => Math.exp(value / temperature));
    const total = e.reduce((sum, value) => sum + value, 0);
    return e.map((value) => value / total);
  };
  return rows.map((row) => {
    const [p, q] = [shares(teacher, row), shares(logits, row)];
    return temperature ** 2 * p.reduce((sum, value, c) => sum + value * Math.log(value / q[c]), 0);
  });
}

/** Mean of the first lengths[n] rows of sequence n. */
export function maskedMean(
  x: readonly number[],
  lengths: readonly number[],
  { time, channels }: Extent,
): number[] {
  return lengths.flatMap((length, n) =>
    Array.from({ length: channels }, (_, c) => {
      let sum = 0;
      for (let t = 0; t < length; t++) sum += x[(n * time + t) * channels + c];
      return sum / length;
    }),
  );
}
