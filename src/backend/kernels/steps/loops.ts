import { erf } from '../erf.js';
import { LEAST_AMPLITUDE, TERNARY_DECAY } from './names.js';

/*
 * The step kernels as plain loops over typed arrays, for the `cpu` backend, and for the `wasm` backend on its
 * heap where a width does not fit its vectors. Arithmetic is float64 between float32 loads and stores. Shapes
 * are those of ops.ts.
 */

/** Sequences, steps, positions and channels of a tensor [B, T, L, C]. */
export interface StepExtent {
  readonly batch: number;
  readonly steps: number;
  readonly positions: number;
  readonly channels: number;
}

/** A tensor with fewer steps than the result: one stands for all. */
export interface Stepped {
  readonly values: Float32Array;
  readonly steps: number;
}

/** Parameters of a layer norm over channels, and what is added before it. */
export interface NormValues {
  readonly bias: Float32Array;
  readonly gamma: Float32Array;
  readonly beta: Float32Array;
  readonly epsilon: number;
}

/** Constants of LIF neurons; `scale` multiplies their input. */
export interface LifConstants {
  readonly tau: number;
  readonly threshold: number;
  readonly scale: number;
}

type Values = Float32Array;
type Row = Float64Array;

/** The first value of row [n, t, l] of a tensor that has `steps` steps of its own. */
function rowAt(
  { positions, channels }: StepExtent,
  steps: number,
  n: number,
  t: number,
  l: number,
): number {
  return ((n * steps + Math.min(t, steps - 1)) * positions + l) * channels;
}

/** Layer norm of a row in place. */
function normalize(row: Row, { gamma, beta, epsilon }: NormValues): void {
  const channels = row.length;
  let sum = 0;
  for (let c = 0; c < channels; c++) sum += row[c];
  const mean = sum / channels;
  let squares = 0;
  for (let c = 0; c < channels; c++) squares += (row[c] - mean) ** 2;
  const scale = 1 / Math.sqrt(squares / channels + epsilon);
  for (let c = 0; c < channels; c++) row[c] = (row[c] - mean) * scale * gamma[c] + beta[c];
}

/** LIF neurons over steps. `residual` is what the spikes are added to. */
export function lifSteps(
  x: Stepped,
  norm: NormValues | undefined,
  { tau, threshold, scale }: LifConstants,
  residual: Stepped | undefined,
  extent: StepExtent,
  out: Values,
  spikes: Values | undefined,
): void {
  const { batch, steps, positions, channels } = extent;
  const current = new Float64Array(channels);
  const potentials = new Float64Array(channels);
  for (let n = 0; n < batch; n++)
    for (let l = 0; l < positions; l++) {
      potentials.fill(0);
      for (let t = 0; t < steps; t++) {
        if (t < x.steps) {
          const from = rowAt(extent, x.steps, n, t, l);
          for (let c = 0; c < channels; c++)
            current[c] = norm ? x.values[from + c] + norm.bias[c] : scale * x.values[from + c];
          if (norm) normalize(current, norm);
        }
        const at = rowAt(extent, steps, n, t, l);
        const beside = residual ? rowAt(extent, residual.steps, n, t, l) : 0;
        for (let c = 0; c < channels; c++) {
          const charged = potentials[c] + (current[c] - potentials[c]) / tau;
          const spike = charged >= threshold ? 1 : 0;
          potentials[c] = charged * (1 - spike);
          out[at + c] = residual ? residual.values[beside + c] + spike : spike;
          if (spikes) spikes[at + c] = spike;
        }
      }
    }
}

/** q (kᵀ W v) of each head, W the weights of the positions on a diagonal. */
export function spikeAttention(
  q: Values,
  k: Values,
  v: Values,
  weights: Values,
  heads: number,
  extent: StepExtent,
  out: Values,
): void {
  const { batch, steps, positions, channels } = extent;
  const width = channels / heads;
  const sums = new Float64Array(width * width);
  out.fill(0);
  for (let n = 0; n < batch; n++)
    for (let t = 0; t < steps; t++)
      for (let first = 0; first < channels; first += width) {
        sums.fill(0);
        for (let l = 0; l < positions; l++) {
          const weight = weights[n * positions + l];
          const at = rowAt(extent, steps, n, t, l) + first;
          for (let i = 0; i < width; i++)
            if (k[at + i] !== 0)
              for (let j = 0; j < width; j++) sums[i * width + j] += weight * v[at + j];
        }
        for (let l = 0; l < positions; l++) {
          const at = rowAt(extent, steps, n, t, l) + first;
          for (let i = 0; i < width; i++)
            if (q[at + i] !== 0) for (let j = 0; j < width; j++) out[at + j] += sums[i * width + j];
        }
      }
}

/** Ternary neurons over steps; without memory each step stands for itself. */
export function ternarySteps(
  x: Stepped,
  bias: Values | undefined,
  amplitudes: Values,
  remembers: boolean,
  extent: StepExtent,
  out: Values,
): void {
  const { batch, steps, positions, channels } = extent;
  for (let n = 0; n < batch; n++)
    for (let l = 0; l < positions; l++)
      for (let c = 0; c < channels; c++) {
        let rest = 0;
        for (let t = 0; t < steps; t++) {
          const height = Math.max(amplitudes[t], LEAST_AMPLITUDE);
          const potential =
            rest + x.values[rowAt(extent, x.steps, n, t, l) + c] + (bias ? bias[c] : 0);
          const share = potential / height;
          const spike = share > 0.5 ? height : share < -0.5 ? -height : 0;
          out[rowAt(extent, steps, n, t, l) + c] = spike;
          if (remembers) rest = TERNARY_DECAY * potential * (amplitudes[t] - spike);
        }
      }
}

/** softmax((q + bias) kᵀ / √d) v of each head over the first lengths[n] positions. */
export function softmaxAttention(
  q: Values,
  bias: Values,
  k: Values,
  v: Values,
  lengths: Int32Array,
  heads: number,
  extent: StepExtent,
  out: Values,
): void {
  const { batch, steps, positions, channels } = extent;
  const width = channels / heads;
  const scale = 1 / Math.sqrt(width);
  const scores = new Float64Array(positions);
  const sums = new Float64Array(width);
  for (let n = 0; n < batch; n++)
    for (let t = 0; t < steps; t++)
      for (let first = 0; first < channels; first += width)
        for (let l = 0; l < positions; l++) {
          const at = rowAt(extent, steps, n, t, l) + first;
          let highest = -Infinity;
          for (let j = 0; j < lengths[n]; j++) {
            const key = rowAt(extent, steps, n, t, j) + first;
            let score = 0;
            for (let c = 0; c < width; c++) score += (q[at + c] + bias[first + c]) * k[key + c];
            scores[j] = score * scale;
            highest = Math.max(highest, scores[j]);
          }
          sums.fill(0);
          let total = 0;
          for (let j = 0; j < lengths[n]; j++) {
            const weight = Math.exp(scores[j] - highest);
            const value = rowAt(extent, steps, n, t, j) + first;
            total += weight;
            for (let c = 0; c < width; c++) sums[c] += weight * v[value + c];
          }
          for (let c = 0; c < width; c++) out[at + c] = sums[c] / total;
        }
}

/** GELU of x + bias, in the form with the error function. */
export function biasGelu(x: Values, bias: Values, out: Values): void {
  const channels = bias.length;
  for (let at = 0; at < x.length; at++) {
    const value = x[at] + bias[at % channels];
    out[at] = 0.5 * value * (1 + erf(value * Math.SQRT1_2));
  }
}

/** Layer norm of x + bias + residual. */
export function addNorm(
  x: Values,
  residual: Stepped,
  norm: NormValues,
  extent: StepExtent,
  out: Values,
): void {
  const { batch, steps, positions, channels } = extent;
  const row = new Float64Array(channels);
  for (let n = 0; n < batch; n++)
    for (let t = 0; t < steps; t++)
      for (let l = 0; l < positions; l++) {
        const at = rowAt(extent, steps, n, t, l);
        const beside = rowAt(extent, residual.steps, n, t, l);
        for (let c = 0; c < channels; c++)
          row[c] = x[at + c] + norm.bias[c] + residual.values[beside + c];
        normalize(row, norm);
        out.set(row, at);
      }
}

/** Integrate-and-fire neurons over steps, from a membrane [B, L, C]. */
export function integrateFire(
  x: Values,
  bias: Values | undefined,
  membrane: Values,
  threshold: number,
  extent: StepExtent,
  out: Values,
  membraneOut: Values,
): void {
  const { batch, steps, positions, channels } = extent;
  for (let n = 0; n < batch; n++)
    for (let l = 0; l < positions; l++)
      for (let c = 0; c < channels; c++) {
        const place = (n * positions + l) * channels + c;
        let potential = membrane[place];
        for (let t = 0; t < steps; t++) {
          const at = rowAt(extent, steps, n, t, l) + c;
          potential += x[at] + (bias ? bias[c] : 0);
          const spike = potential >= threshold ? 1 : 0;
          potential -= threshold * spike;
          out[at] = spike;
        }
        membraneOut[place] = potential;
      }
}

/** Spikes of at most {@link WORD_STEPS} steps as bits, the first step lowest. `out` has one step. */
export function packSteps(spikes: Values, extent: StepExtent, out: Values): void {
  const { batch, steps, positions, channels } = extent;
  const plane = positions * channels;
  for (let n = 0; n < batch; n++)
    for (let at = 0; at < plane; at++) {
      let word = 0;
      for (let t = 0; t < steps; t++) word += spikes[(n * steps + t) * plane + at] * 2 ** t;
      out[n * plane + at] = word;
    }
}

/** The way back; `extent` is that of the spikes. */
export function unpackSteps(words: Values, extent: StepExtent, out: Values): void {
  const { batch, steps, positions, channels } = extent;
  const plane = positions * channels;
  for (let n = 0; n < batch; n++)
    for (let at = 0; at < plane; at++)
      for (let t = 0; t < steps; t++)
        out[(n * steps + t) * plane + at] = (words[n * plane + at] >>> t) & 1;
}
