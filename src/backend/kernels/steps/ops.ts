import {
  add,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { hasKernel, runKernel } from '../dispatch.js';
import { matMul } from '../ops.js';
import * as composite from './composite.js';
import * as names from './names.js';
import type { LifSettings, StepNorm } from './types.js';

export { WORD_STEPS } from './names.js';
export type { LifSettings, StepNorm } from './types.js';

/*
 * The operations of networks that run each sequence in time steps, on tensors: B sequences, T steps, L
 * positions, C channels. An input whose steps are all alike may have one of them, [B, 1, L, C].
 */

/**
 * LIF neurons over steps, at rest before the first one: u = v + (x − v)/τ, s = [u ≥ θ], v = u (1 − s), with x
 * the layer norm of x + bias where a norm is given.
 *
 * @param x [B, T, L, C], or [B, 1, L, C] where all steps are alike
 * @returns spikes, [B, T, L, C]
 * Source: spikingjelly, LIFNode with a hard reset to 0 (SpikeBERT: model/new_spikformer.py).
 */
export function lifSteps(x: Tensor4D, norm: StepNorm | undefined, settings: LifSettings): Tensor4D {
  if (!hasKernel(names.LIF_STEPS)) return composite.lifSteps(x, norm, settings);
  return runLif(x, norm, settings, {})[0];
}

/**
 * {@link lifSteps}, the spikes added to a stream.
 *
 * @param residual [B, T, L, C] or [B, 1, L, C]
 * @returns residual + spikes, and the spikes when asked for
 */
export function lifResidual(
  x: Tensor4D,
  norm: StepNorm,
  settings: LifSettings,
  residual: Tensor4D,
  withSpikes: boolean,
): { readonly out: Tensor4D; readonly spikes: Tensor4D | undefined } {
  if (hasKernel(names.LIF_STEPS)) {
    const outputs: readonly (Tensor4D | undefined)[] = runLif(
      x,
      norm,
      settings,
      { residual },
      withSpikes,
    );
    return { out: outputs[0]!, spikes: outputs[1] };
  }
  const spikes = composite.lifSteps(x, norm, settings);
  const out = add<Tensor4D>(residual, spikes);
  if (!withSpikes) spikes.dispose();
  return { out, spikes: withSpikes ? spikes : undefined };
}

function runLif(
  x: Tensor4D,
  norm: StepNorm | undefined,
  { steps, tau, threshold, scale = 1 }: LifSettings,
  residual: Readonly<Record<string, Tensor>>,
  withSpikes = false,
): Tensor4D[] {
  const { epsilon = 0, ...vectors } = norm ?? {};
  const inputs = { x, ...vectors, ...residual };
  const attrs = { steps, tau, threshold, scale, epsilon, normed: norm !== undefined, withSpikes };
  return runKernel(names.LIF_STEPS, inputs, attrs) as Tensor4D[];
}

/**
 * Attention of spikes without softmax: (q kᵀ) v of each head, a run of C / heads channels. Sums of products of
 * spikes are whole numbers, exact in float32 below 2^24 in any order, so that q (kᵀ v) is the same.
 *
 * @param q k, v: spikes (0 or 1), [B, T, L, C]
 * @param weights the times that each position counts, [B, L]: whole numbers
 * @returns [B, T, L, C], whole numbers
 */
export function spikeAttention(
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  weights: Tensor2D,
  heads: number,
): Tensor4D {
  if (!hasKernel(names.SPIKE_ATTENTION)) return composite.spikeAttention(q, k, v, weights, heads);
  return runKernel(names.SPIKE_ATTENTION, { q, k, v, weights }, { heads })[0] as Tensor4D;
}

/**
 * x · weights for an x of spikes, silent ones 0: the numbers of `matMul`, bit for bit. Our kernel on wasm passes over
 * the zeros where most of x are.
 *
 * @param x [N, H]
 * @param weights [H, C]
 * @returns [N, C]
 */
export function spikeMatMul(x: Tensor2D, weights: Tensor2D): Tensor2D {
  if (!hasKernel(names.SPIKE_MAT_MUL)) return matMul(x, weights);
  return runKernel(names.SPIKE_MAT_MUL, { x, weights })[0] as Tensor2D;
}

/**
 * Ternary neurons over steps: m_t = 0.25 m_{t−1} (α_{t−1} − s_{t−1}) + x_t + bias with m before the first step
 * absent, and s_t = ±α where |m_t| > α/2, else 0, with α at least 1e-5. So a spike of +α clears the membrane, one
 * of −α does not.
 *
 * @param x [B, T, L, C], or [B, 1, L, C] where all steps are alike
 * @param bias [C]
 * @param amplitudes α, [T]
 * @param remembers false leaves the membrane out: each step stands for itself
 * @returns spikes −α_t, 0 or α_t, [B, T, L, C]
 * Source: SpikeLM, spikeLM-BERT/spiking.py.
 */
export function ternarySteps(
  x: Tensor4D,
  bias: Tensor1D | undefined,
  amplitudes: Tensor1D,
  remembers: boolean,
): Tensor4D {
  if (!hasKernel(names.TERNARY_STEPS))
    return composite.ternarySteps(x, bias, amplitudes, remembers);
  const inputs = bias ? { x, bias, amplitudes } : { x, amplitudes };
  return runKernel(names.TERNARY_STEPS, inputs, { remembers })[0] as Tensor4D;
}

/**
 * softmax((q + bias) kᵀ / √d) v of each head, a run of d = C / heads channels, at each step by itself, over the
 * real positions alone: the others' numbers do not enter.
 *
 * @param q k, v: [B, T, L, C]; bias: [C]
 * @param lengths real positions of each sequence, int32 [B], at least 1
 * @returns [B, T, L, C]
 */
export function softmaxAttention(
  q: Tensor4D,
  bias: Tensor1D,
  k: Tensor4D,
  v: Tensor4D,
  lengths: Tensor1D,
  heads: number,
): Tensor4D {
  if (!hasKernel(names.SOFTMAX_ATTENTION))
    return composite.softmaxAttention(q, bias, k, v, lengths, heads);
  const inputs = { q, bias, k, v, lengths };
  return runKernel(names.SOFTMAX_ATTENTION, inputs, { heads })[0] as Tensor4D;
}

/** GELU(x + bias) = y (1 + erf(y / √2)) / 2 with y = x + bias. x: [B, T, L, C]; bias: [C]. */
export function biasGelu(x: Tensor4D, bias: Tensor1D): Tensor4D {
  if (!hasKernel(names.BIAS_GELU)) return composite.biasGelu(x, bias);
  return runKernel(names.BIAS_GELU, { x, bias })[0] as Tensor4D;
}

/** Layer norm of x + bias + residual. x: [B, T, L, C]; residual: the same, or [B, 1, L, C]. */
export function addNorm(x: Tensor4D, residual: Tensor4D, norm: StepNorm): Tensor4D {
  if (!hasKernel(names.ADD_NORM)) return composite.addNorm(x, residual, norm);
  const { epsilon, ...vectors } = norm;
  return runKernel(names.ADD_NORM, { x, residual, ...vectors }, { epsilon })[0] as Tensor4D;
}

/**
 * Integrate-and-fire neurons over steps: u += x + bias, s = [u ≥ θ], u −= θ s; no leak and no floor.
 *
 * @param x [B, T, L, C]; bias: [C]
 * @param membrane u before the first step, [B, L, C]
 * @returns spikes, [B, T, L, C], and u after the last step
 * Source: SpikingBERT, implicit_bert/modules/snn_modules.py.
 */
export function integrateFire(
  x: Tensor4D,
  bias: Tensor1D | undefined,
  membrane: Tensor3D,
  threshold: number,
): { readonly spikes: Tensor4D; readonly membrane: Tensor3D } {
  if (!hasKernel(names.INTEGRATE_FIRE))
    return composite.integrateFire(x, bias, membrane, threshold);
  const inputs = bias ? { x, bias, membrane } : { x, membrane };
  const [spikes, after] = runKernel(names.INTEGRATE_FIRE, inputs, { threshold });
  return { spikes: spikes as Tensor4D, membrane: after as Tensor3D };
}

/**
 * Spikes of some steps as the bits of whole numbers, the first step lowest.
 *
 * @param spikes 0 or 1, [B, T, L, C], at most {@link WORD_STEPS} steps
 * @returns [B, 1, L, C]
 */
export function packSteps(spikes: Tensor4D): Tensor4D {
  if (!hasKernel(names.PACK_STEPS)) return composite.packSteps(spikes);
  return runKernel(names.PACK_STEPS, { spikes })[0] as Tensor4D;
}

/** The way back from {@link packSteps}: [B, 1, L, C] to [B, steps, L, C]. */
export function unpackSteps(words: Tensor4D, steps: number): Tensor4D {
  if (!hasKernel(names.UNPACK_STEPS)) return composite.unpackSteps(words, steps);
  return runKernel(names.UNPACK_STEPS, { words }, { steps })[0] as Tensor4D;
}
