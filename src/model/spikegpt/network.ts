import * as tf from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { gatherRows, headNll, layerNorm, maskedMean, matMul } from '../../backend/kernels/ops.js';
import { scoped } from '../../backend/scope.js';
import type { PackedTensor } from '../../quant/packed/packed-tensor.js';
import { ModelError } from '../../util/errors.js';
import type {
  Gradient,
  GradientOptions,
  Loss,
  NetworkHooks,
  RecurrentForm,
  SpikingNetwork,
} from '../family.js';
import type { Pooling, TokenBatch } from '../types.js';
import { linear, runFfnStage, runMixStage, type Probe, type StageResult } from './block.js';
import type { SpikeGPTConfig } from './config.js';
import { gradientOf } from './gradient.js';
import { mixPart } from './layout.js';
import {
  disposeState,
  initialBlockState,
  initialState,
  type BlockState,
  type RecurrentState,
} from './state.js';
import { Weights } from './weights.js';

/**
 * The training graph of the published model without dropout (its generation script differs from it and is
 * not followed). The stream is x [B, T, C]; there are two stages a block, SRWKV (2 b) and SRFFN (2 b + 1).
 */
export class SpikeGPTNetwork implements SpikingNetwork {
  private readonly weights: Weights;

  constructor(private readonly config: SpikeGPTConfig) {
    this.weights = new Weights(config);
  }

  setParameter(name: string, values: Float32Array): void {
    this.weights.set(name, values);
  }

  setPacked(name: string, stored: PackedTensor): void {
    this.weights.setPacked(name, stored);
  }

  /** Embedded tokens, [B, T, C]: spikes (0 or 1), or the dense embedding. */
  embed({ ids, batch, time }: TokenBatch, { onSpikes }: NetworkHooks = {}): Tensor3D {
    return tf.tidy(() => {
      const rows = gatherRows(this.weights.table('emb.weight'), tf.tensor1d(ids, 'int32'));
      const embedded = tf.reshape<tf.Rank.R3>(rows, [batch, time, this.config.width]);
      if (this.config.embedding === 'spike') onSpikes?.(0, embedded);
      return embedded;
    });
  }

  runStages(
    stream: Tensor3D,
    from: number,
    to: number,
    _tokens: TokenBatch,
    { onSpikes, onNeurons, onInputs }: NetworkHooks = {},
  ): Tensor3D {
    const before = this.config.embedding === 'spike' ? 1 : 0;
    return tf.tidy(() => {
      let x = stream;
      for (let stage = from; stage < to; stage++) {
        const rest = initialBlockState(this.config, stream.shape[0]);
        const probe: Probe = {
          spikes: (spikes) => onSpikes?.(before + stage, spikes),
          ...(onInputs && { inputs: onInputs }),
          ...(onNeurons && {
            neurons: (activity) => {
              onNeurons(before + stage, activity);
            },
          }),
        };
        const isWatched = onSpikes ?? onNeurons ?? onInputs;
        const result = this.runStage(stage, x, rest, isWatched && probe);
        disposeState([rest, result.state]);
        if (x !== stream) x.dispose();
        x = result.x;
      }
      return x === stream ? x.clone() : x;
    });
  }

  private runStage(
    stage: number,
    x: Tensor3D,
    state: BlockState,
    probe?: Probe,
  ): StageResult<Partial<BlockState>> {
    const block = Math.floor(stage / 2);
    return stage % 2 === 0
      ? runMixStage(this.weights, block, mixPart(this.config, block), x, state, probe)
      : runFfnStage(this.weights, block, x, state, probe);
  }

  /** ln_out over the residual stream after the last block, [B, T, C]. */
  private normalize(x: Tensor3D): Tensor3D {
    return layerNorm(x, this.weights.vector('ln_out.weight'), this.weights.vector('ln_out.bias'));
  }

  finalInputs(stream: Tensor3D, onInputs: NonNullable<NetworkHooks['onInputs']>): void {
    if (!this.config.head || this.config.classes > 0) return;
    tf.tidy(() => {
      onInputs('head.weight', { inputs: this.normalize(stream) });
    });
  }

  tokenNll(stream: Tensor3D, targets: Int32Array): Tensor1D {
    return tf.tidy(() => {
      const [batch, time, width] = stream.shape;
      const hidden: Tensor2D = tf.reshape(this.normalize(stream), [batch * time, width]);
      return headNll(hidden, this.weights.factor('head.weight'), tf.tensor1d(targets, 'int32'));
    });
  }

  tokenLogits(stream: Tensor3D): Tensor3D {
    return tf.tidy(() => linear(this.normalize(stream), this.weights.factor('head.weight')));
  }

  /** The mean over tokens, then the classifier. */
  classLogits(stream: Tensor3D, lengths: Int32Array, pooling: Pooling): Tensor2D {
    const [batch, time] = stream.shape;
    const counted = pooling === 'real-tokens' ? lengths : new Int32Array(batch).fill(time);
    return tf.tidy(() => {
      const pooled = maskedMean(this.normalize(stream), tf.tensor1d(counted, 'int32'));
      return matMul(pooled, this.weights.factor('classifier.weight'));
    });
  }

  gradient(tokens: TokenBatch, loss: Loss, options: GradientOptions = {}): Promise<Gradient> {
    const { config, weights } = this;
    if (weights.packed)
      throw new ModelError({
        what: 'packed weights are not trained',
        where: 'SpikeGPT',
        got: 'matrices that stay packed',
        expected: 'the model loaded without packed execution',
      });
    return gradientOf({ network: this, config, weights }, tokens, loss, options);
  }

  readonly recurrent: RecurrentForm<RecurrentState> = {
    start: (batch) => initialState(this.config, batch),
    step: (tokens, state) =>
      scoped(() => {
        let x = this.embed(tokens);
        const after = state.map((before, block) => {
          const part = mixPart(this.config, block);
          const mixed = runMixStage(this.weights, block, part, x, before, undefined);
          const fed = runFfnStage(this.weights, block, mixed.x, before, undefined);
          x = fed.x;
          return { ...mixed.state, ...fed.state };
        });
        return { stream: x, state: after };
      }),
    dispose: disposeState,
  };

  dispose(): void {
    this.weights.dispose();
  }
}
