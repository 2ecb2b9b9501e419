import { add, type Tensor, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core';
import { hasKernel, runKernel } from '../dispatch.js';
import * as composite from './composite.js';
import * as names from './names.js';
import type { LifSettings, StepNorm } from './types.js';

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
