import {
  tidy,
  transpose as transposeOf,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
} from '@tensorflow/tfjs-core';
import { hasKernel, runKernel as run } from '../dispatch.js';
import { LANES } from '../heap.js';
import { LAYER_NORM_EPSILON } from '../names.js';
import { matMul } from '../ops.js';
import * as composite from './composite.js';
import * as names from './names.js';
import type { MixGradients, NormGradients, SpikeGradients, WkvGradients } from './types.js';

export { scatterRows, surrogate } from './loops.js';
// Of two softmaxes and little else: no backend has a kernel of its own for it.
export { divergenceBackward } from './composite.js';
export type { MixGradients, NormGradients, SpikeGradients, WkvGradients } from './types.js';

/*
 * Gradients of the operations of ../ops.ts, each sequence from a cleared state. `dy` and `dout` are the gradient
 * of the loss by the operation's result; what comes back is the gradient by its inputs, of their shapes. Nothing
 * of the forward pass is needed but its inputs.
 */

/** Gradient of `layerNorm`. x, dy: [..., C]. */
export function layerNormBackward<T extends Tensor>(
  x: T,
  gamma: Tensor1D,
  dy: T,
): NormGradients<T> {
  if (!hasKernel(names.LAYER_NORM_BACKWARD)) return composite.layerNormBackward(x, gamma, dy);
  const inputs = { x, gamma, dy };
  const outputs = run(names.LAYER_NORM_BACKWARD, inputs, { epsilon: LAYER_NORM_EPSILON });
  return { dx: outputs[0] as T, dgamma: outputs[1] as Tensor1D, dbeta: outputs[2] as Tensor1D };
}

/**
 * Gradient of `tokenMix`.
 *
 * @param dmixed M tensors [B, T, C], one a row of `mixes`
 */
export function tokenMixBackward(
  x: Tensor3D,
  gamma: Tensor1D,
  beta: Tensor1D,
  mixes: Tensor2D,
  dmixed: readonly Tensor3D[],
): MixGradients {
  if (!hasKernel(names.TOKEN_MIX_BACKWARD))
    return composite.tokenMixBackward(x, gamma, beta, mixes, dmixed);
  const each = dmixed.map((d, mix) => [`dmixed${mix}`, d] as const);
  const inputs = { x, gamma, beta, mixes, ...Object.fromEntries(each) };
  const outputs = run(names.TOKEN_MIX_BACKWARD, inputs, { epsilon: LAYER_NORM_EPSILON });
  return {
    dx: outputs[0] as Tensor3D,
    dgamma: outputs[1] as Tensor1D,
    dbeta: outputs[2] as Tensor1D,
    dmixes: outputs[3] as Tensor2D,
  };
}

/** Gradient of `wkv`, its gate included. All but decay and first, [C]: [B, T, C]. */
export function wkvBackward(
  k: Tensor3D,
  v: Tensor3D,
  r: Tensor3D,
  decay: Tensor1D,
  first: Tensor1D,
  dout: Tensor3D,
): WkvGradients {
  if (!hasKernel(names.WKV_BACKWARD)) return composite.wkvBackward(k, v, r, decay, first, dout);
  const outputs = run(names.WKV_BACKWARD, { k, v, r, decay, first, dout });
  return {
    dk: outputs[0] as Tensor3D,
    dv: outputs[1] as Tensor3D,
    dr: outputs[2] as Tensor3D,
    ddecay: outputs[3] as Tensor1D,
    dfirst: outputs[4] as Tensor1D,
  };
}

/**
 * Gradient of `spikingResidual` by x and gate, [B, T, C]; by the residual it is dout itself. A spike's derivative
 * is the ATan surrogate's, α = 2: ds/dh = 1 / (1 + (π (h − 1))²). The reset is not detached: the gradient goes
 * through the spike in v = h (1 − s) too. Source: SpikeGPT, src/model.py (MultiStepLIFNode with
 * surrogate.ATan(), detach_reset False).
 */
export function spikesBackward(
  x: Tensor3D,
  gate: Tensor3D | undefined,
  dout: Tensor3D,
): SpikeGradients {
  if (!hasKernel(names.SPIKES_BACKWARD)) return composite.spikesBackward(x, gate, dout);
  const outputs = run(names.SPIKES_BACKWARD, gate ? { x, gate, dout } : { x, dout });
  return { dx: outputs[0] as Tensor3D, dgate: outputs[1] as Tensor3D | undefined };
}

/** Gradient of max(x, 0)². x, dy: [N, H]. */
export function squaredReluBackward(x: Tensor2D, dy: Tensor2D): Tensor2D {
  if (!hasKernel(names.SQUARED_RELU_BACKWARD)) return composite.squaredReluBackward(x, dy);
  return run(names.SQUARED_RELU_BACKWARD, { x, dy })[0] as Tensor2D;
}

/**
 * Gradient of `squaredReluMatMul` by x: where x is not above 0 it is 0, and our kernel computes nothing.
 * x: [N, H]; dy: [N, C]; weights: [H, C]; result: [N, H].
 */
export function squaredReluMatMulBackward(x: Tensor2D, dy: Tensor2D, weights: Tensor2D): Tensor2D {
  if (!hasKernel(names.SQUARED_RELU_MATMUL_BACKWARD))
    return tidy(() => squaredReluBackward(x, matMul(dy, transpose(weights))));
  return run(names.SQUARED_RELU_MATMUL_BACKWARD, { x, dy, weights })[0] as Tensor2D;
}

/** `matMul` for an x of many zeros, which our kernel skips. x: [N, H]; weights: [H, C]; result: [N, C]. */
export function sparseMatMul(x: Tensor2D, weights: Tensor2D): Tensor2D {
  if (weights.shape[1] % LANES !== 0 || !hasKernel(names.SPARSE_MATMUL)) return matMul(x, weights);
  return run(names.SPARSE_MATMUL, { x, weights })[0] as Tensor2D;
}

/** A matrix [N, C] as [C, N]; TensorFlow.js's own form for wasm moves value by value. */
export function transpose(x: Tensor2D): Tensor2D {
  if (!hasKernel(names.TRANSPOSE)) return transposeOf(x);
  return run(names.TRANSPOSE, { x })[0] as Tensor2D;
}

/**
 * `tokenNll` of each row, [N], and the gradient of Σ weight · nll by the logits, [N, V].
 *
 * @param targets int32 [N]
 * @param weights [N]
 * @param pull adds pull · weight · x to the gradient at the largest logit x of each row, which keeps it from
 *   growing: RWKV's L2Wrap with a pull of 1e-4
 */
export function nllBackward(
  logits: Tensor2D,
  targets: Tensor1D,
  weights: Tensor1D,
  pull = 0,
): { nll: Tensor1D; dlogits: Tensor2D } {
  if (!hasKernel(names.NLL_BACKWARD)) return composite.nllBackward(logits, targets, weights, pull);
  const [nll, dlogits] = run(names.NLL_BACKWARD, { logits, targets, weights }, { pull });
  return { nll: nll as Tensor1D, dlogits: dlogits as Tensor2D };
}

/** Gradient of `maskedMean`. dy: [B, C]; lengths: int32 [B]; result: [B, T, C]. */
export function maskedMeanBackward(dy: Tensor2D, lengths: Tensor1D, time: number): Tensor3D {
  if (!hasKernel(names.MASKED_MEAN_BACKWARD))
    return composite.maskedMeanBackward(dy, lengths, time);
  return run(names.MASKED_MEAN_BACKWARD, { dy, lengths }, { time })[0] as Tensor3D;
}
