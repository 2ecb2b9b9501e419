import * as tf from '@tensorflow/tfjs-core';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { LAYER_NORM_EPSILON } from '../../backend/kernels/names.js';
import { gatherRows, layerNorm, matMul } from '../../backend/kernels/ops.js';
import {
  lifResidual,
  lifSteps,
  spikeAttention,
  type LifSettings,
  type StepNorm,
} from '../../backend/kernels/steps/ops.js';
import type { NetworkHooks, SpikingNetwork } from '../family.js';
import { atAllSteps, sampleChannels, type NeuronActivity } from '../neurons/membranes.js';
import { DeviceParameters } from '../transformer/device-parameters.js';
import { linear, spikeLinear } from '../transformer/linear.js';
import type { Pooling, TokenBatch } from '../types.js';
import type { SpikeBERTConfig } from './config.js';
import { ATTENTION_NEURONS, NEURONS, spikeBERTLayout } from './layout.js';
import { atAllPositions, countsOf, countsOfBatch, keptIds, keptPositions } from './padding.js';

/** Scale of the attention, whatever the width of a head. */
const ATTENTION_SCALE = 0.125;

/** A layer of neurons that fired. */
interface Fired {
  /** The product that comes in, [B, S or 1, L, C]. */
  readonly product: Tensor4D;
  readonly norm: StepNorm | undefined;
  /** [B, S, L, C] */
  readonly spikes: Tensor4D;
}

/** Called with a layer of a stage, by its place among those of the stage. */
type Probe = (layer: number, fired: Fired) => void;

/**
 * The published graph in evaluation, its MLP with the hidden width that its weights have (the published code
 * reshapes it to another and cannot run). The stream is x [B, S, L, D] with S steps, one before the first
 * stage, where all are alike; of padding one position is kept (see padding.ts). Two stages a block: x +=
 * SSA(x), then x += MLP(x).
 * Source: SpikeBERT, model/new_spikformer.py.
 */
export class SpikeBERTNetwork implements SpikingNetwork {
  private readonly weights: DeviceParameters;
  private readonly neurons: LifSettings;

  constructor(private readonly config: SpikeBERTConfig) {
    const { timeSteps, tau, threshold } = config;
    this.neurons = { steps: timeSteps, tau, threshold };
    // Nothing of the embedding is used but whether a value is at least 0.
    this.weights = new DeviceParameters(spikeBERTLayout(config).parameters, (name, values) =>
      name === 'emb.weight' ? values.map((value) => (value >= 0 ? 1 : 0)) : values,
    );
  }

  setParameter(name: string, values: Float32Array): void {
    this.weights.set(name, values);
  }

  embed(tokens: TokenBatch, { onSpikes }: NetworkHooks = {}): Tensor4D {
    return tf.tidy(() => {
      const kept = keptPositions(tokens);
      const ids = tf.tensor1d(keptIds(tokens, kept), 'int32');
      const rows = gatherRows(this.weights.matrix('emb.weight'), ids);
      const spikes: Tensor4D = tf.reshape(rows, [tokens.batch, 1, kept, this.config.width]);
      onSpikes?.(0, atAllPositions(spikes, tokens));
      return spikes;
    });
  }

  runStages(
    stream: Tensor4D,
    from: number,
    to: number,
    tokens: TokenBatch,
    { onSpikes, onNeurons }: NetworkHooks = {},
  ): Tensor4D {
    return tf.tidy(() => {
      const counts = countsOfBatch(tokens, stream.shape[2]);
      let x = stream;
      for (let stage = from; stage < to; stage++) {
        const block = Math.floor(stage / 2);
        const isMlp = stage % 2 === 1;
        const first = 1 + block * NEURONS + (isMlp ? ATTENTION_NEURONS.length : 0);
        const probe: Probe = (layer, fired) => {
          onSpikes?.(first + layer, atAllPositions(fired.spikes, tokens));
          onNeurons?.(first + layer, this.activityOf(fired, tokens));
        };
        const before = x;
        x = tf.tidy(() => {
          const probed = onSpikes || onNeurons ? probe : undefined;
          return isMlp ? this.mlp(block, before, probed) : this.ssa(block, before, counts, probed);
        });
        if (before !== stream) before.dispose();
      }
      return x === stream ? x.clone() : x;
    });
  }

  /** x + LIF(LN(last · a)), a = LIF at half the threshold of 0.125 · (q kᵀ) v. */
  private ssa(block: number, x: Tensor4D, counts: Tensor2D, probe?: Probe): Tensor4D {
    const prefix = `blocks.${block}.attn`;
    const inputs = ['q', 'k', 'v'].map((part): Fired => {
      const product = linear(x, this.weights.matrix(`${prefix}.${part}_m.weight`));
      const norm = this.norm(`${prefix}.${part}_m`, `${prefix}.${part}_ln`);
      return { product, norm, spikes: lifSteps(product, norm, this.neurons) };
    });
    const [q, k, v] = inputs.map(({ spikes }) => spikes);
    const sums = spikeAttention(q, k, v, counts, this.config.heads);
    const attention = lifSteps(sums, undefined, {
      ...this.neurons,
      threshold: this.config.threshold / 2,
      scale: ATTENTION_SCALE,
    });
    const product = spikeLinear(attention, this.weights.matrix(`${prefix}.last_m.weight`));
    const norm = this.norm(`${prefix}.last_m`, `${prefix}.last_ln`);
    const { out, spikes } = lifResidual(product, norm, this.neurons, x, probe !== undefined);
    if (probe) {
      const middle = { product: sums, norm: undefined, spikes: attention };
      const fired = [...inputs, middle, { product, norm, spikes: spikes! }];
      for (const [layer, each] of fired.entries()) probe(layer, each);
    }
    return out;
  }

  /** x + LIF(LN2(fc2 · LIF(LN1(fc1 · x)))). */
  private mlp(block: number, x: Tensor4D, probe?: Probe): Tensor4D {
    const prefix = `blocks.${block}.mlp`;
    const inner = linear(x, this.weights.matrix(`${prefix}.fc1.weight`));
    const innerNorm = this.norm(`${prefix}.fc1`, `${prefix}.ln1`);
    const hidden = lifSteps(inner, innerNorm, this.neurons);
    const product = spikeLinear(hidden, this.weights.matrix(`${prefix}.fc2.weight`));
    const norm = this.norm(`${prefix}.fc2`, `${prefix}.ln2`);
    const { out, spikes } = lifResidual(product, norm, this.neurons, x, probe !== undefined);
    probe?.(0, { product: inner, norm: innerNorm, spikes: hidden });
    probe?.(1, { product, norm, spikes: spikes! });
    return out;
  }

  /** The current of neurons, as the kernel takes it from the product, and what they fired. */
  private activityOf({ product, norm, spikes }: Fired, tokens: TokenBatch): NeuronActivity {
    const { timeSteps, tau } = this.config;
    const current = norm
      ? layerNorm(tf.add<Tensor4D>(product, norm.bias), norm.gamma, norm.beta, norm.epsilon)
      : tf.mul<Tensor4D>(product, ATTENTION_SCALE);
    const some = atAllSteps(sampleChannels(current, timeSteps), timeSteps);
    return {
      current: atAllPositions(some, tokens),
      spikes: atAllPositions(sampleChannels(spikes, timeSteps), tokens),
      dynamics: { kind: 'leaky', over: 'steps', tau },
    };
  }

  private norm(layer: string, norm: string): StepNorm {
    return {
      bias: this.weights.vector(`${layer}.bias`),
      gamma: this.weights.vector(`${norm}.weight`),
      beta: this.weights.vector(`${norm}.bias`),
      epsilon: LAYER_NORM_EPSILON,
    };
  }

  /** last_ln, the mean over positions, padding included, the classifier, and the mean over steps. */
  classLogits(stream: Tensor4D, lengths: Int32Array, _pooling: Pooling, time: number): Tensor2D {
    const [batch, steps, kept, width] = stream.shape;
    return tf.tidy(() => {
      const [gamma, beta] = ['weight', 'bias'].map((part) =>
        this.weights.vector(`last_ln.${part}`),
      );
      const counts = tf.reshape(countsOf(lengths, time, kept), [batch, 1, kept, 1]);
      const sum = tf.sum(tf.mul(layerNorm(stream, gamma, beta), counts), 2);
      const mean: Tensor2D = tf.reshape(tf.div(sum, time), [batch * steps, width]);
      const logits = tf.add(
        matMul(mean, this.weights.matrix('classifier.weight')),
        this.weights.vector('classifier.bias'),
      );
      return tf.mean<Tensor2D>(tf.reshape(logits, [batch, steps, this.config.classes]), 1);
    });
  }

  dispose(): void {
    this.weights.dispose();
  }
}
