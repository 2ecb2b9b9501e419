import {
  concat,
  reshape,
  slice,
  tidy,
  type Rank,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
} from '@tensorflow/tfjs-core';
import * as composite from './composite.js';
import { hasKernel, runKernel as run } from './dispatch.js';
import * as names from './names.js';
import {
  isPacked,
  packedHeadNll,
  packedMatMul,
  packedRows,
  packedSquaredReluMatMul,
  type Factor,
  type PackedTable,
} from './packed/packed.js';

/**
 * The operations of SpikeGPT that TensorFlow.js lacks, on tensors. Where the running backend has a
 * kernel of ours it is used; elsewhere (`tensorflow`) the same result is composed of whole-tensor
 * operations, none of them a loop over tokens. B sequences, T tokens, C channels.
 */

/**
 * Rows of a table by index, as `tf.gather`, whose wasm form spends microseconds on each row.
 * table: [N, C]; indices: int32 [M], each below N; result: [M, C].
 */
export function gatherRows(table: Tensor2D | PackedTable, indices: Tensor1D): Tensor2D {
  if (isPacked(table)) return packedRows(table, indices);
  if (!hasKernel(names.GATHER_ROWS)) return composite.gatherRows(table, indices);
  return run(names.GATHER_ROWS, { table, indices })[0] as Tensor2D;
}

/**
 * (x - mean) / sqrt(variance + epsilon) * gamma + beta over the last axis, biased variance.
 * x: [..., C]; gamma, beta: [C]; epsilon: 1e-5 unless said otherwise.
 */
export function layerNorm<T extends Tensor>(
  x: T,
  gamma: Tensor1D,
  beta: Tensor1D,
  epsilon = names.LAYER_NORM_EPSILON,
): T {
  if (!hasKernel(names.LAYER_NORM)) return composite.layerNorm(x, gamma, beta, epsilon);
  return run(names.LAYER_NORM, { x, gamma, beta }, { epsilon })[0] as T;
}

/**
 * Layer norm, then token shift: with n = norm(x), mixed_m[t] = n[t] * mix_m + n[t - 1] * (1 - mix_m).
 *
 * @param x [B, T, C]
 * @param mixes [M, C], one row an output, at most 3
 * @param shift [B, C], the normalized token before the first; zeros at the start of a sequence
 * @returns M tensors [B, T, C], and the last normalized token [B, C]
 */
export function tokenMix(
  x: Tensor3D,
  gamma: Tensor1D,
  beta: Tensor1D,
  mixes: Tensor2D,
  shift: Tensor2D,
): { mixed: Tensor3D[]; last: Tensor2D } {
  if (!hasKernel(names.TOKEN_MIX)) return composite.tokenMix(x, gamma, beta, mixes, shift);
  const inputs = { x, gamma, beta, mixes, shift };
  const outputs = run(names.TOKEN_MIX, inputs, { epsilon: names.LAYER_NORM_EPSILON });
  return { mixed: outputs.slice(0, -1) as Tensor3D[], last: outputs.at(-1) as Tensor2D };
}

/**
 * The gated RWKV average, sigmoid(r) * WKV, per channel with w = -e^decay and u = first:
 *
 *     WKV[t] = (sum_{i<t} e^{(t-1-i) w + k_i} v_i + e^{u + k_t} v_t) / (the same sums without v)
 *
 * @param k v, r: [B, T, C]
 * @param decay first: [C], the checkpoint's `time_decay` and `time_first`
 * @param state [B, 3, C]: numerator and denominator of the past, scaled by e^-(third row)
 * @returns [B, T, C] and the state after the last token
 * Source: SpikeGPT, cuda/wkv_cuda.cu; the running maximum keeps the exponentials finite.
 */
export function wkv(
  k: Tensor3D,
  v: Tensor3D,
  r: Tensor3D,
  decay: Tensor1D,
  first: Tensor1D,
  state: Tensor3D,
): { out: Tensor3D; state: Tensor3D } {
  if (!hasKernel(names.WKV)) return composite.wkv(k, v, r, decay, first, state);
  const [out, after] = run(names.WKV, { k, v, r, decay, first, state });
  return { out: out as Tensor3D, state: after as Tensor3D };
}

/**
 * Multi-step LIF neurons whose spikes are added to the residual stream. Per channel, over tokens:
 * h = v + (x - v) / 2, spike = h >= 1, v = h (1 - spike); the result is residual + spike.
 *
 * @param x [B, T, C], the input current; multiplied by sigmoid(gate) where a gate is given
 * @param membrane [B, C], the potential v before the first token; zeros at the start of a sequence
 * @returns residual + spikes and the membrane after; the spikes themselves when asked for
 * Source: SpikeGPT, src/model.py (spikingjelly MultiStepLIFNode, tau 2, threshold 1, hard reset).
 */
export function spikingResidual(
  x: Tensor3D,
  gate: Tensor3D | undefined,
  residual: Tensor3D,
  membrane: Tensor2D,
  withSpikes: boolean,
): { out: Tensor3D; membrane: Tensor2D; spikes: Tensor3D | undefined } {
  if (!hasKernel(names.SPIKING_RESIDUAL))
    return composite.spikingResidual(x, gate, residual, membrane, withSpikes);
  const inputs = gate ? { x, gate, residual, membrane } : { x, residual, membrane };
  const outputs = run(names.SPIKING_RESIDUAL, inputs, { withSpikes });
  return {
    out: outputs[0] as Tensor3D,
    membrane: outputs[1] as Tensor2D,
    spikes: outputs[2] as Tensor3D | undefined,
  };
}

/**
 * max(x, 0)² · weights, ChannelMix's value layer. About four of five activations of a trained model are
 * zero, and our kernels skip them. x: [B, T, H]; weights: [H, C]; result: [B, T, C].
 */
export function squaredReluMatMul(x: Tensor3D, weights: Factor): Tensor3D {
  if (isPacked(weights)) return packedSquaredReluMatMul(x, weights);
  if (hasKernel(names.SQUARED_RELU)) {
    const [batch, time, hidden] = x.shape;
    return tidy(() => {
      const [activations] = run(names.SQUARED_RELU, { x });
      const rows = reshape<Rank.R2>(activations, [batch * time, hidden]);
      return reshape<Rank.R3>(matMul(rows, weights), [batch, time, weights.shape[1]]);
    });
  }
  if (!hasKernel(names.SQUARED_RELU_MATMUL)) return composite.squaredReluMatMul(x, weights);
  return run(names.SQUARED_RELU_MATMUL, { x, weights })[0] as Tensor3D;
}

/** x · weights. x: [N, C]; weights: [C, D]; result: [N, D]. */
export function matMul(x: Tensor2D, weights: Factor): Tensor2D {
  if (isPacked(weights)) return packedMatMul(x, weights);
  if (!hasKernel(names.MAT_MUL)) return composite.matMul(x, weights);
  return run(names.MAT_MUL, { x, weights })[0] as Tensor2D;
}

/**
 * Negative log-likelihood of one target a row, in nats.
 * logits: [N, V]; targets: int32 [N], each below V; result: [N].
 */
export function tokenNll(logits: Tensor2D, targets: Tensor1D): Tensor1D {
  if (!hasKernel(names.TOKEN_NLL)) return composite.tokenNll(logits, targets);
  return run(names.TOKEN_NLL, { logits, targets })[0] as Tensor1D;
}

/** Logits held at once where a backend makes them: N · V of them would be the largest array there is. */
const HEAD_VALUES = 1 << 21;
/** Fewer rows than this waste the matrix product. */
const HEAD_ROWS_AT_LEAST = 128;

/**
 * {@link tokenNll} of the logits x · weights, without the memory that all logits take.
 * x: [N, C]; weights: [C, V]; targets: int32 [N], each below V; result: [N].
 */
export function headNll(x: Tensor2D, weights: Factor, targets: Tensor1D): Tensor1D {
  if (isPacked(weights)) return packedHeadNll(x, weights, targets);
  if (hasKernel(names.HEAD_NLL)) return run(names.HEAD_NLL, { x, weights, targets })[0] as Tensor1D;
  const [rows, width] = x.shape;
  const most = Math.max(HEAD_ROWS_AT_LEAST, Math.floor(HEAD_VALUES / weights.shape[1]));
  const starts = Array.from({ length: Math.ceil(rows / most) }, (_, part) => part * most);
  const nllFrom = (start: number): Tensor1D => {
    const count = Math.min(most, rows - start);
    const logits = matMul(slice(x, [start, 0], [count, width]), weights);
    return tokenNll(logits, slice(targets, [start], [count]));
  };
  return tidy(() => concat(starts.map((start) => tidy(() => nllFrom(start)))));
}

/** Mean over the first lengths[n] tokens. x: [B, T, C]; lengths: int32 [B]; result: [B, C]. */
export function maskedMean(x: Tensor3D, lengths: Tensor1D): Tensor2D {
  if (!hasKernel(names.MASKED_MEAN)) return composite.maskedMean(x, lengths);
  return run(names.MASKED_MEAN, { x, lengths })[0] as Tensor2D;
}
