import { EMPTY_EXPONENT, LIF_TAU, LIF_THRESHOLD } from './names.js';

/*
 * The kernels as plain loops over typed arrays: for the `cpu` backend, and for the `wasm` backend on its heap
 * where a width is no multiple of one SIMD group. Arithmetic is float64 between float32 loads and stores.
 * Shapes are those of ops.ts.
 */

/** Sequences, tokens and channels of a tensor [B, T, C]. */
export interface Extent {
  readonly batch: number;
  readonly time: number;
  readonly channels: number;
}

type Values = Float32Array;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** One row of layer norm: biased variance, as PyTorch. */
function normalizeRow(
  x: Values,
  from: number,
  gamma: Values,
  beta: Values,
  epsilon: number,
  out: Values,
  to: number,
): void {
  const channels = gamma.length;
  let sum = 0;
  for (let c = 0; c < channels; c++) sum += x[from + c];
  const mean = sum / channels;
  let squares = 0;
  for (let c = 0; c < channels; c++) squares += (x[from + c] - mean) ** 2;
  const scale = 1 / Math.sqrt(squares / channels + epsilon);
  for (let c = 0; c < channels; c++)
    out[to + c] = (x[from + c] - mean) * scale * gamma[c] + beta[c];
}

/** Layer norm over rows of `gamma.length` values. */
export function layerNorm(
  x: Values,
  gamma: Values,
  beta: Values,
  epsilon: number,
  out: Values,
): void {
  for (let at = 0; at < x.length; at += gamma.length)
    normalizeRow(x, at, gamma, beta, epsilon, out, at);
}

/** Layer norm, token shift and interpolation, an output for each row of `mixes`. */
export function tokenMix(
  x: Values,
  gamma: Values,
  beta: Values,
  epsilon: number,
  mixes: Values,
  shift: Values,
  { batch, time, channels }: Extent,
  outs: readonly Values[],
  last: Values,
): void {
  const rows = [new Float32Array(channels), new Float32Array(channels)];
  for (let n = 0; n < batch; n++) {
    let previous = shift.subarray(n * channels, (n + 1) * channels);
    for (let t = 0; t < time; t++) {
      const at = (n * time + t) * channels;
      const current = rows[t % 2];
      normalizeRow(x, at, gamma, beta, epsilon, current, 0);
      outs.forEach((out, mix) => {
        for (let c = 0; c < channels; c++)
          out[at + c] = previous[c] + (current[c] - previous[c]) * mixes[mix * channels + c];
      });
      previous = current;
    }
    last.set(previous, n * channels);
  }
}

/** The gated RWKV average, with a running maximum in the exponent. */
export function wkv(
  k: Values,
  v: Values,
  r: Values,
  decay: Values,
  first: Values,
  state: Values,
  { batch, time, channels }: Extent,
  out: Values,
  stateOut: Values,
): void {
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      const w = -Math.exp(decay[c]);
      const u = first[c];
      const slot = n * 3 * channels + c;
      let numerator = state[slot];
      let denominator = state[slot + channels];
      let exponent = state[slot + 2 * channels];
      for (let t = 0; t < time; t++) {
        const at = (n * time + t) * channels + c;
        const top = Math.max(exponent, u + k[at]);
        const past = Math.exp(exponent - top);
        const present = Math.exp(u + k[at] - top);
        const average = (past * numerator + present * v[at]) / (past * denominator + present);
        out[at] = sigmoid(r[at]) * average;

        const next = Math.max(w + exponent, k[at]);
        const keep = Math.exp(w + exponent - next);
        const add = Math.exp(k[at] - next);
        numerator = keep * numerator + add * v[at];
        denominator = keep * denominator + add;
        exponent = next;
      }
      stateOut[slot] = numerator;
      stateOut[slot + channels] = denominator;
      stateOut[slot + 2 * channels] = Math.max(exponent, EMPTY_EXPONENT);
    }
  }
}

/** LIF neurons over tokens, added to the residual stream. */
export function spikingResidual(
  x: Values,
  gate: Values | undefined,
  residual: Values,
  membrane: Values,
  { batch, time, channels }: Extent,
  out: Values,
  spikes: Values | undefined,
  membraneOut: Values,
): void {
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      let potential = membrane[n * channels + c];
      for (let t = 0; t < time; t++) {
        const at = (n * time + t) * channels + c;
        const current = gate === undefined ? x[at] : sigmoid(gate[at]) * x[at];
        const charged = potential + (current - potential) / LIF_TAU;
        const spike = charged >= LIF_THRESHOLD ? 1 : 0;
        potential = charged * (1 - spike);
        out[at] = residual[at] + spike;
        if (spikes !== undefined) spikes[at] = spike;
      }
      membraneOut[n * channels + c] = potential;
    }
  }
}

/** max(x, 0)² · weights; `out` has to be zeros. */
export function squaredReluMatMul(x: Values, weights: Values, hidden: number, out: Values): void {
  const channels = weights.length / hidden;
  for (let row = 0; row * hidden < x.length; row++)
    for (let j = 0; j < hidden; j++) {
      const value = x[row * hidden + j];
      if (value <= 0) continue;
      for (let c = 0; c < channels; c++)
        out[row * channels + c] += value * value * weights[j * channels + c];
    }
}

/** Negative log-likelihood of one target a row, in nats. */
export function tokenNll(logits: Values, targets: Int32Array, out: Values): void {
  const classes = logits.length / targets.length;
  targets.forEach((target, row) => {
    const at = row * classes;
    let highest = logits[at];
    for (let c = 1; c < classes; c++) highest = Math.max(highest, logits[at + c]);
    let total = 0;
    for (let c = 0; c < classes; c++) total += Math.exp(logits[at + c] - highest);
    out[row] = Math.log(total) - (logits[at + target] - highest);
  });
}

/** Mean over the first lengths[n] tokens. */
export function maskedMean(
  x: Values,
  lengths: Int32Array,
  { time, channels }: Extent,
  out: Values,
): void {
  lengths.forEach((length, n) => {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let t = 0; t < length; t++) sum += x[(n * time + t) * channels + c];
      out[n * channels + c] = sum / length;
    }
  });
}

/** Rows of a table by index. */
export function gatherRows(table: Values, indices: Int32Array, out: Values): void {
  const channels = out.length / indices.length;
  indices.forEach((index, row) => {
    out.set(table.subarray(index * channels, (index + 1) * channels), row * channels);
  });
}
