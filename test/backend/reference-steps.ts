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
