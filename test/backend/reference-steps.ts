import type { StepExtent } from '../../src/backend/kernels/steps/loops.js';
import { layerNorm } from './reference-kernels.js';

/*
 * The kernels of networks in time steps written as their formulas, in float64: what the tests hold every fast
 * form against. Row-major [B, T, L, C] arrays.
 */

/** Layer norm of x + bias. */
export function normalized(
  x: readonly number[],
  bias: readonly number[],
  gamma: readonly number[],
  beta: readonly number[],
  epsilon: number,
): number[] {
  const channels = bias.length;
  const sums = x.map((value, at) => value + bias[at % channels]);
  return layerNorm(sums, gamma, beta, epsilon);
}

/** The value of an input of fewer steps at a place of [B, T, L, C]: one step stands for all. */
export function atStep(
  x: readonly number[],
  inputSteps: number,
  { steps, positions, channels }: StepExtent,
  at: number,
): number {
  const plane = positions * channels;
  const [n, t] = [Math.floor(at / plane / steps), Math.floor(at / plane) % steps];
  return x[(n * inputSteps + Math.min(t, inputSteps - 1)) * plane + (at % plane)];
}

/** u = v + (x − v)/τ, s = [u ≥ θ], v = u (1 − s), value by value. */
export function lif(
  x: readonly number[],
  inputSteps: number,
  { tau, threshold }: { readonly tau: number; readonly threshold: number },
  extent: StepExtent,
): { spikes: number[]; charged: number[] } {
  const { batch, steps, positions, channels } = extent;
  const plane = positions * channels;
  const spikes: number[] = [];
  const charged: number[] = [];
  for (let at = 0; at < batch * steps * plane; at++) {
    const isFirst = Math.floor(at / plane) % steps === 0;
    const rest = isFirst ? 0 : charged[at - plane] * (1 - spikes[at - plane]);
    charged[at] = rest + (atStep(x, inputSteps, extent, at) - rest) / tau;
    spikes[at] = charged[at] >= threshold ? 1 : 0;
  }
  return { spikes, charged };
}

/** Σ_j (q_i · k_j) w_j v_j of each head, in this order. */
export function spikeAttention(
  q: readonly number[],
  k: readonly number[],
  v: readonly number[],
  weights: readonly number[],
  heads: number,
  { positions, channels, steps }: StepExtent,
): number[] {
  const width = channels / heads;
  return q.map((_, at) => {
    const channel = at % channels;
    const first = channel - (channel % width);
    const row = Math.floor(at / channels);
    const plane = row - (row % positions);
    const n = Math.floor(plane / positions / steps);
    let sum = 0;
    for (let j = 0; j < positions; j++) {
      let likeness = 0;
      for (let c = first; c < first + width; c++)
        likeness += q[row * channels + c] * k[(plane + j) * channels + c];
      sum += likeness * weights[n * positions + j] * v[(plane + j) * channels + channel];
    }
    return sum;
  });
}

/** m_t = 0.25 m_{t−1} (α_{t−1} − s_{t−1}) + x_t, s_t = ±α where |m_t| > α/2; the least distance from that. */
export function ternary(
  x: readonly number[],
  bias: readonly number[],
  amplitudes: readonly number[],
  inputSteps: number,
  remembers: boolean,
  extent: StepExtent,
): { spikes: number[]; margin: number } {
  const { batch, steps, positions, channels } = extent;
  const plane = positions * channels;
  const spikes: number[] = [];
  const potentials: number[] = [];
  let margin = Infinity;
  for (let at = 0; at < batch * steps * plane; at++) {
    const t = Math.floor(at / plane) % steps;
    const before = at - plane;
    const rest =
      t === 0 || !remembers ? 0 : 0.25 * potentials[before] * (amplitudes[t - 1] - spikes[before]);
    potentials[at] = rest + atStep(x, inputSteps, extent, at) + bias[at % channels];
    const share = Math.abs(potentials[at]) / amplitudes[t];
    margin = Math.min(margin, Math.abs(share - 0.5));
    spikes[at] = share > 0.5 ? Math.sign(potentials[at]) * amplitudes[t] : 0;
  }
  return { spikes, margin };
}

/** softmax((q + bias) · k / √d) over the first lengths[n] positions, times v. */
export function softmaxAttention(
  q: readonly number[],
  bias: readonly number[],
  k: readonly number[],
  v: readonly number[],
  lengths: readonly number[],
  heads: number,
  { steps, positions, channels }: StepExtent,
): number[] {
  const width = channels / heads;
  return q.map((_, at) => {
    const channel = at % channels;
    const first = channel - (channel % width);
    const row = Math.floor(at / channels);
    const plane = row - (row % positions);
    const length = lengths[Math.floor(plane / positions / steps)];
    const powers = Array.from({ length }, (__, j) => {
      let product = 0;
      for (let c = first; c < first + width; c++)
        product += (q[row * channels + c] + bias[c]) * k[(plane + j) * channels + c];
      return Math.exp(product / Math.sqrt(width));
    });
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.reduce(
      (sum, power, j) => sum + (power / total) * v[(plane + j) * channels + channel],
      0,
    );
  });
}

/** erf by its series, Σ (−1)^n x^(2n+1) / (n! (2n+1)) · 2/√π; 1 beyond 5. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** y Φ(y) with y = x + bias. */
export function biasGelu(x: readonly number[], bias: readonly number[]): number[] {
  return x.map((value, at) => {
    const y = value + bias[at % bias.length];
    return (y * (1 + erf(y / Math.SQRT2))) / 2;
  });
}

/** u += x + bias, s = [u ≥ θ], u −= θ s; and the least distance from the threshold. */
export function integrateFire(
  x: readonly number[],
  bias: readonly number[],
  threshold: number,
  { steps, positions, channels }: StepExtent,
): { spikes: number[]; margin: number } {
  const plane = positions * channels;
  const spikes: number[] = [];
  const left: number[] = [];
  let margin = Infinity;
  x.forEach((value, at) => {
    const rest = Math.floor(at / plane) % steps === 0 ? 0 : left[at - plane];
    const potential = rest + value + bias[at % channels];
    margin = Math.min(margin, Math.abs(potential - threshold));
    spikes[at] = potential >= threshold ? 1 : 0;
    left[at] = potential - threshold * spikes[at];
  });
  return { spikes, margin };
}
