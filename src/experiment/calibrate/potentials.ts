import type { HostInputs } from '../../model/neurons/staged-inputs.js';

/**
 * Rows of a matrix whose neurons fire alike share one set of second moments: at most this many sets.
 *
 * Tried on spikegpt-mini at 2 bits, all matrices alike, 4,096 calibration tokens of WikiText-2 train (perplexity on
 * tokens 16,384 to 32,768 of valid, fp32 40.03; paired difference from ordinary GPTQ in nats, z over 64 windows), by a
 * PyTorch prototype of the same formulas:
 *
 *   ordinary GPTQ                                             44.49
 *   leaky filter, no resets, no gate, 1 set                   44.41   −0.002, z −0.4
 *   resets, gate, nearness to the threshold, 1 set            44.26   −0.005, z −1.1
 *   gate, nearness to the threshold, no filter, 16 sets       44.07   −0.010, z −1.8
 *   resets, gate, nearness to the threshold, 16 sets          43.90   −0.013, z −3.2
 *   resets, gate, 16 sets (this one)                          43.73   −0.017, z −3.4
 *   ordinary, products aimed at those of unquantized inputs   45.91   +0.032, z +4.7
 *   resets, gate, nearness, 16 sets, aimed at the same        47.76   +0.071, z +10.0
 *
 * Nearness weighed each position by exp(−((u − 1) / 0.5)²) + 0.05. The choice was made on these tokens, and what it
 * gained did not hold elsewhere: on the first 16,384 tokens, with 8,192 for calibration, this code is +0.006 nats from
 * ordinary GPTQ at 2 bits (z 1.4) and +0.0001 at 3 (z 0.0).
 */
const CLUSTERS = 16;
const THRESHOLD = 1;

/** Where the neurons of the unquantized model fired in one batch, 0 or 1, [B * T, out]. */
export type ReferenceSpikes = Uint8Array;

/** The shape of a batch: B rows of T positions, of which `lengths` are no padding. */
export interface BatchShape {
  readonly time: number;
  readonly lengths: Int32Array;
}

/**
 * Runs leaky neurons with hard resets on what they took in (u = v + (x − v)/τ, fires at u ≥ 1, v = u (1 − s)),
 * each sequence from rest, in double precision.
 */
export function referenceSpikes(
  { product, gate, tau }: NonNullable<HostInputs['neurons']>,
  { time, lengths }: BatchShape,
): ReferenceSpikes {
  const out = product.length / (lengths.length * time);
  const fired = new Uint8Array(product.length);
  const rest = new Float64Array(out);
  for (const [row, length] of lengths.entries()) {
    rest.fill(0);
    for (let t = 0; t < length; t++)
      for (let c = 0, at = (row * time + t) * out; c < out; c++, at++) {
        const current = gate === undefined ? product[at] : product[at] * gate[at];
        const potential = rest[c] + (current - rest[c]) / tau;
        const fires = potential >= THRESHOLD;
        fired[at] = fires ? 1 : 0;
        rest[c] = fires ? 0 : potential;
      }
  }
  return fired;
}

/**
 * The rows of a matrix in clusters whose neurons fire at similar rates.
 *
 * @param batches of the whole sample.
 */
export function clustersOf(batches: readonly ReferenceSpikes[], out: number): Int32Array[] {
  const rates = new Float64Array(out);
  for (const fired of batches)
    for (let at = 0; at < fired.length; at++) rates[at % out] += fired[at];
  const byRate = Int32Array.from(rates.keys()).sort((a, b) => rates[a] - rates[b] || a - b);
  const size = Math.ceil(out / CLUSTERS);
  return Array.from({ length: Math.ceil(out / size) }, (_, cluster) =>
    byRate.slice(cluster * size, (cluster + 1) * size).sort(),
  );
}

/**
 * The inputs of a matrix as a cluster of its neurons integrates them: an error δw of a row moves a potential
 * by δw · f, where f_t = (1 − s_{t−1}) (1 − 1/τ) f_{t−1} + g_t x_t / τ, s the reference's spikes and g the gate,
 * both averaged over the cluster.
 *
 * @returns f, [B * T, in], 0 at padding.
 */
export function integratedInputs(
  { inputs, neurons }: Required<HostInputs>,
  fired: ReferenceSpikes,
  { time, lengths }: BatchShape,
  cluster: Int32Array,
): Float32Array {
  const n = inputs.length / (lengths.length * time);
  const out = fired.length / (lengths.length * time);
  const { gate, tau } = neurons;
  const mean = (values: Float32Array | Uint8Array, position: number): number => {
    let sum = 0;
    for (const c of cluster) sum += values[position * out + c];
    return sum / cluster.length;
  };
  const filtered = new Float32Array(inputs.length);
  const f = new Float64Array(n);
  for (const [row, length] of lengths.entries()) {
    f.fill(0);
    for (let t = 0; t < length; t++) {
      const position = row * time + t;
      const kept = t === 0 ? 0 : (1 - mean(fired, position - 1)) * (1 - 1 / tau);
      const taken = (gate === undefined ? 1 : mean(gate, position)) / tau;
      for (let i = 0, at = position * n; i < n; i++, at++) {
        f[i] = kept * f[i] + taken * inputs[at];
        filtered[at] = f[i];
      }
    }
  }
  return filtered;
}
