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
