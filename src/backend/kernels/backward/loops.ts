import type { Extent } from '../loops.js';
import { EMPTY_EXPONENT, LIF_TAU, LIF_THRESHOLD } from '../names.js';

/*
 * The gradients of the kernels as plain loops over typed arrays, for the `cpu` backend and for widths that are
 * no multiple of one SIMD group. Arithmetic and sums are float64 between float32 loads and stores. Shapes are
 * those of ops.ts; `d` before a name is the gradient of the loss by it.
 */

type Values = Float32Array;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Sums over all rows that a vector of parameters gets. */
const sums = (channels: number): Float64Array => new Float64Array(channels);

/**
 * Derivative of a spike by the potential's distance from the threshold: the ATan surrogate with α = 2,
 * 1 / (1 + (π x)²). Source: Fang et al., 2021, as spikingjelly's surrogate.ATan, which SpikeGPT trains with.
 */
export function surrogate(x: number): number {
  return 1 / (1 + (Math.PI * x) ** 2);
}

/** Mean and 1 / sqrt(variance + ε) of one row. */
function moments(x: Values, from: number, channels: number, epsilon: number): [number, number] {
  let sum = 0;
  for (let c = 0; c < channels; c++) sum += x[from + c];
  const mean = sum / channels;
  let squares = 0;
  for (let c = 0; c < channels; c++) squares += (x[from + c] - mean) ** 2;
  return [mean, 1 / Math.sqrt(squares / channels + epsilon)];
}

/** One row of {@link layerNormBackward}. @param dy the row's gradient, [channels] */
function normalizeRowBackward(
  x: Values,
  from: number,
  gamma: Values,
  epsilon: number,
  dy: ArrayLike<number>,
  dyFrom: number,
  dx: Values,
  dgamma: Float64Array,
  dbeta: Float64Array,
): void {
  const channels = gamma.length;
  const [mean, scale] = moments(x, from, channels, epsilon);
  let [plain, along] = [0, 0];
  for (let c = 0; c < channels; c++) {
    const normed = (x[from + c] - mean) * scale;
    const dyc = dy[dyFrom + c];
    dgamma[c] += dyc * normed;
    dbeta[c] += dyc;
    plain += dyc * gamma[c];
    along += dyc * gamma[c] * normed;
  }
  for (let c = 0; c < channels; c++) {
    const normed = (x[from + c] - mean) * scale;
    const rest = dy[dyFrom + c] * gamma[c] - (plain + normed * along) / channels;
    dx[from + c] = scale * rest;
  }
}

/** Gradient of layer norm over rows of `gamma.length` values. */
export function layerNormBackward(
  x: Values,
  gamma: Values,
  epsilon: number,
  dy: Values,
  dx: Values,
  dgamma: Values,
  dbeta: Values,
): void {
  const [gammas, betas] = [sums(gamma.length), sums(gamma.length)];
  for (let at = 0; at < x.length; at += gamma.length)
    normalizeRowBackward(x, at, gamma, epsilon, dy, at, dx, gammas, betas);
  dgamma.set(gammas);
  dbeta.set(betas);
}

/** Gradient of layer norm, token shift and interpolation; `dmixed`: one a row of `mixes`. */
export function tokenMixBackward(
  x: Values,
  gamma: Values,
  beta: Values,
  epsilon: number,
  mixes: Values,
  dmixed: readonly Values[],
  { batch, time, channels }: Extent,
  dx: Values,
  dgamma: Values,
  dbeta: Values,
  dmixes: Values,
): void {
  const [gammas, betas, shares] = [sums(channels), sums(channels), sums(mixes.length)];
  // Gradients of the normalized rows of one sequence; the row before the first is no parameter's.
  const dnormed = new Float64Array(time * channels);
  const normed = new Float64Array(channels);
  for (let n = 0; n < batch; n++) {
    dnormed.fill(0);
    normed.fill(0);
    for (let t = 0; t < time; t++) {
      const at = (n * time + t) * channels;
      const [mean, scale] = moments(x, at, channels, epsilon);
      for (let c = 0; c < channels; c++) {
        const row = (x[at + c] - mean) * scale * gamma[c] + beta[c];
        const step = row - normed[c];
        normed[c] = row;
        for (let mix = 0; mix < dmixed.length; mix++) {
          const d = dmixed[mix][at + c];
          const share = mixes[mix * channels + c];
          shares[mix * channels + c] += d * step;
          dnormed[t * channels + c] += d * share;
          if (t > 0) dnormed[(t - 1) * channels + c] += d * (1 - share);
        }
      }
    }
    for (let t = 0; t < time; t++) {
      const at = (n * time + t) * channels;
      normalizeRowBackward(x, at, gamma, epsilon, dnormed, t * channels, dx, gammas, betas);
    }
  }
  dgamma.set(gammas);
  dbeta.set(betas);
  dmixes.set(shares);
}

/**
 * Gradient of the gated RWKV average. With N and D its sums at t, both with the token's own term, and A and B
 * those of the tokens before, A[t+1] = e^w A[t] + e^k[t] v[t], so that going back
 *
 *     dA[t] = dN[t] + e^w dA[t+1],   dN = dy / D,   dD = -dy y / D
 *
 * dA and dB are held scaled by e^-q as A and B are by e^-p. What is multiplied with them is e^(k + q) or
 * e^(w + p + q), never above 1: a token that adds e^k to A adds as much to every D after it.
 */
export function wkvBackward(
  k: Values,
  v: Values,
  r: Values,
  decay: Values,
  first: Values,
  dout: Values,
  { batch, time, channels }: Extent,
  dk: Values,
  dv: Values,
  dr: Values,
  ddecay: Values,
  dfirst: Values,
): void {
  const [decays, firsts] = [sums(channels), sums(channels)];
  const [pasts, counts, exponents] = [0, 1, 2].map(() => new Float64Array(time));
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++) {
      const w = -Math.exp(decay[c]);
      const u = first[c];
      let [numerator, denominator, exponent] = [0, 0, EMPTY_EXPONENT];
      for (let t = 0; t < time; t++) {
        const at = (n * time + t) * channels + c;
        [pasts[t], counts[t], exponents[t]] = [numerator, denominator, exponent];
        const next = Math.max(w + exponent, k[at]);
        const keep = Math.exp(w + exponent - next);
        const add = Math.exp(k[at] - next);
        numerator = keep * numerator + add * v[at];
        denominator = keep * denominator + add;
        exponent = next;
      }
      let [dpast, dcount, scale, dw, du] = [0, 0, EMPTY_EXPONENT, 0, 0];
      for (let t = time - 1; t >= 0; t--) {
        const at = (n * time + t) * channels + c;
        const top = Math.max(exponents[t], u + k[at]);
        const past = Math.exp(exponents[t] - top);
        const present = Math.exp(u + k[at] - top);
        const all = past * counts[t] + present;
        const average = (past * pasts[t] + present * v[at]) / all;
        const gate = sigmoid(r[at]);
        dr[at] = dout[at] * average * gate * (1 - gate);
        const dnumerator = (dout[at] * gate) / all;
        const ddenominator = -dnumerator * average;

        const own = present * (dnumerator * v[at] + ddenominator);
        const onward = Math.exp(k[at] + scale);
        du += own;
        dk[at] = own + onward * (dpast * v[at] + dcount);
        dv[at] = present * dnumerator + onward * dpast;
        dw += Math.exp(w + exponents[t] + scale) * (dpast * pasts[t] + dcount * counts[t]);

        const higher = Math.max(-top, w + scale);
        const fresh = Math.exp(-top - higher);
        const kept = Math.exp(w + scale - higher);
        dpast = fresh * dnumerator + kept * dpast;
        dcount = fresh * ddenominator + kept * dcount;
        scale = higher;
      }
      // w = -e^decay is its own derivative.
      decays[c] += dw * w;
      firsts[c] += du;
    }
  ddecay.set(decays);
  dfirst.set(firsts);
}

/**
 * Gradient of LIF neurons by the input current, through the surrogate, and through the reset as well:
 * v = h (1 - s) has the derivative 1 - s - h ds/dh.
 */
export function spikesBackward(
  x: Values,
  gate: Values | undefined,
  dout: Values,
  { batch, time, channels }: Extent,
  dx: Values,
  dgate: Values | undefined,
): void {
  const charges = new Float64Array(time);
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++) {
      let potential = 0;
      for (let t = 0; t < time; t++) {
        const at = (n * time + t) * channels + c;
        const current = gate === undefined ? x[at] : sigmoid(gate[at]) * x[at];
        const charged = potential + (current - potential) / LIF_TAU;
        charges[t] = charged;
        potential = charged >= LIF_THRESHOLD ? 0 : charged;
      }
      let dpotential = 0;
      for (let t = time - 1; t >= 0; t--) {
        const at = (n * time + t) * channels + c;
        const charged = charges[t];
        const slope = surrogate(charged - LIF_THRESHOLD);
        const kept = charged >= LIF_THRESHOLD ? 0 : 1;
        const dcharged = (dout[at] - dpotential * charged) * slope + dpotential * kept;
        const dcurrent = dcharged / LIF_TAU;
        dpotential = dcharged - dcurrent;
        if (gate === undefined || dgate === undefined) {
          dx[at] = dcurrent;
          continue;
        }
        const open = sigmoid(gate[at]);
        dx[at] = dcurrent * open;
        dgate[at] = dcurrent * x[at] * open * (1 - open);
      }
    }
}

/** Gradient of max(x, 0)². */
export function squaredReluBackward(x: Values, dy: Values, dx: Values): void {
  for (let i = 0; i < x.length; i++) dx[i] = x[i] > 0 ? 2 * x[i] * dy[i] : 0;
}

/** Likelihoods of a target a row, and the gradient of their sum, each times its weight, by the logits. */
export function nllBackward(
  logits: Values,
  targets: Int32Array,
  weights: Values,
  pull: number,
  nll: Values,
  dlogits: Values,
): void {
  const classes = logits.length / targets.length;
  targets.forEach((target, row) => {
    const at = row * classes;
    let highest = 0;
    for (let c = 1; c < classes; c++) if (logits[at + c] > logits[at + highest]) highest = c;
    const top = logits[at + highest];
    let total = 0;
    for (let c = 0; c < classes; c++) total += Math.exp(logits[at + c] - top);
    const share = weights[row] / total;
    for (let c = 0; c < classes; c++) dlogits[at + c] = share * Math.exp(logits[at + c] - top);
    dlogits[at + target] -= weights[row];
    dlogits[at + highest] += pull * weights[row] * top;
    nll[row] = Math.log(total) - (logits[at + target] - top);
  });
}

/** Gradient of means over the first lengths[n] tokens. */
export function maskedMeanBackward(
  dy: Values,
  lengths: Int32Array,
  { time, channels }: Extent,
  dx: Values,
): void {
  lengths.forEach((length, n) => {
    for (let t = 0; t < time; t++)
      for (let c = 0; c < channels; c++)
        dx[(n * time + t) * channels + c] = t < length ? dy[n * channels + c] / length : 0;
  });
}

/** Adds rows to those of a table that they were taken from. rows: [M, C]; table: [N, C], changed. */
export function scatterRows(rows: Values, indices: Int32Array, table: Values): void {
  const channels = rows.length / indices.length;
  indices.forEach((index, row) => {
    for (let c = 0; c < channels; c++) table[index * channels + c] += rows[row * channels + c];
  });
}
