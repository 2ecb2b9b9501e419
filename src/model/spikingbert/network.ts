import * as tf from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { matMul } from '../../backend/kernels/ops.js';
import {
  addNorm,
  biasGelu,
  integrateFire,
  packSteps,
  softmaxAttention,
  unpackSteps,
  WORD_STEPS,
  type StepNorm,
} from '../../backend/kernels/steps/ops.js';
import type { NetworkHooks, SpikingNetwork } from '../family.js';
import { atAllSteps, sampleChannels, type Dynamics } from '../neurons/membranes.js';
import { DeviceParameters } from '../transformer/device-parameters.js';
import { BERT_EPSILON, embedTokens, realLengths } from '../transformer/embedding.js';
import { linear, spikeLinear } from '../transformer/linear.js';
import { byPosition } from '../transformer/step-spikes.js';
import type { TokenBatch } from '../types.js';
import type { SpikingBERTConfig } from './config.js';
import { ATTENTION_NEURONS, FEED_FORWARD_NEURONS, layerName, spikingBERTLayout } from './layout.js';

/** Fires a layer's neurons, going on from where the steps before left them. @param layer from 1 to 6 */
type Fire = (layer: number, x: Tensor4D, bias?: Tensor1D) => Tensor4D;

/** The neurons that a part of an encoder has, and the product with what they give. */
interface Neurons {
  readonly fire: Fire;
  readonly product: typeof linear;
}

/** A part of an encoder at some steps: spikes [B, S, L, D] to spikes of the same shape. */
type Part = (x: Tensor4D, neurons: Neurons) => Tensor4D;

/**
 * The published graph in evaluation. Inside a step the layers follow on each other and none looks back, so that
 * one layer can be run over all steps before the next. The stream is the spikes between encoders' parts, as
 * bits: [B, W, L, D] words of {@link WORD_STEPS} steps each. Two stages an encoder: attention, then feed-forward.
 * Source: SpikingBERT, implicit_bert/modules/snn_modules.py, models/snn_ide_bert_classi_4_spike.py.
 */
export class SpikingBERTNetwork implements SpikingNetwork {
  private readonly weights: DeviceParameters;

  constructor(private readonly config: SpikingBERTConfig) {
    this.weights = new DeviceParameters(spikingBERTLayout(config).parameters);
  }

  setParameter(name: string, values: Float32Array): void {
    this.weights.set(name, values);
  }

  /** Steps of each word of the stream. */
  private words(): number[] {
    const { timeSteps } = this.config;
    const count = Math.ceil(timeSteps / WORD_STEPS);
    return Array.from({ length: count }, (_, word) =>
      Math.min(WORD_STEPS, timeSteps - word * WORD_STEPS),
    );
  }

  /** The embedding's neurons have the same current at all steps. */
  embed(tokens: TokenBatch, { onSpikes, onNeurons }: NetworkHooks = {}): Tensor4D {
    return tf.tidy(() => {
      const current = this.current(tokens);
      const [batch, , positions, width] = current.shape;
      let membrane: Tensor3D = tf.zeros([batch, positions, width]);
      const fired = this.words().map((steps) => {
        const currents = tf.tile(current, [1, steps, 1, 1]);
        const result = integrateFire(currents, undefined, membrane, this.config.threshold);
        membrane = result.membrane;
        return result.spikes;
      });
      onSpikes?.(0, byPosition(tf.concat(fired, 1)));
      if (onNeurons) {
        const { timeSteps } = this.config;
        onNeurons(0, {
          current: byPosition(atAllSteps(sampleChannels(current, timeSteps), timeSteps)),
          spikes: byPosition(
            tf.concat(
              fired.map((each) => sampleChannels(each, timeSteps)),
              1,
            ),
          ),
          dynamics: this.dynamics,
        });
      }
      return tf.concat(fired.map(packSteps), 1);
    });
  }

  private current(tokens: TokenBatch): Tensor4D {
    const table = (name: string): Tensor2D =>
      this.weights.matrix(`network_x.${name}_embeddings.weight`);
    return embedTokens(tokens, {
      word: table('word'),
      position: table('position'),
      type: table('token_type'),
      gamma: this.weights.vector('network_x.LayerNorm.weight'),
      beta: this.weights.vector('network_x.LayerNorm.bias'),
    });
  }

  runStages(
    stream: Tensor4D,
    from: number,
    to: number,
    tokens: TokenBatch,
    hooks: NetworkHooks = {},
  ): Tensor4D {
    return tf.tidy(() => {
      const lengths = realLengths(tokens);
      let x = stream;
      for (let stage = from; stage < to; stage++) {
        const before = x;
        x = tf.tidy(() => this.runStage(stage, before, lengths, hooks));
        if (before !== stream) before.dispose();
      }
      return x === stream ? x.clone() : x;
    });
  }

  /** One stage over all steps, a word of them at a time: what is held at once does not grow with T. */
  private runStage(
    stage: number,
    stream: Tensor4D,
    lengths: Tensor1D,
    { onSpikes, onNeurons }: NetworkHooks,
  ): Tensor4D {
    const encoder = Math.floor(stage / 2);
    const isAttention = stage % 2 === 0;
    const names = isAttention ? ATTENTION_NEURONS : FEED_FORWARD_NEURONS;
    const part: Part = (x, neurons) =>
      isAttention
        ? this.attention(encoder, x, lengths, neurons)
        : this.feedForward(encoder, x, neurons);
    const firstLayer = isAttention ? 1 : 1 + ATTENTION_NEURONS.length;
    const firstPlace = 1 + encoder * (ATTENTION_NEURONS.length + FEED_FORWARD_NEURONS.length);
    const membranes = new Map<number, Tensor3D>();
    const seen = names.map((): Tensor4D[] => []);
    const active = names.map((): { current: Tensor4D; spikes: Tensor4D }[] => []);
    const sample = (values: Tensor4D): Tensor4D =>
      tf.keep(sampleChannels(values, this.config.timeSteps));
    const packed = this.words().map((steps, word) =>
      tf.tidy(() => {
        const fire: Fire = (layer, x, bias) => {
          const [batch, , positions, channels] = x.shape;
          const rest = membranes.get(layer) ?? tf.zeros([batch, positions, channels]);
          const { spikes, membrane } = integrateFire(x, bias, rest, this.config.threshold);
          // Beyond this word's tidy; let go of below.
          membranes.set(layer, tf.keep(membrane));
          rest.dispose();
          if (onSpikes) seen[layer - firstLayer].push(tf.keep(spikes.clone()));
          if (onNeurons) {
            const current = sample(bias ? tf.add<Tensor4D>(x, bias) : x);
            active[layer - firstLayer].push({ current, spikes: sample(spikes) });
          }
          return spikes;
        };
        const [batch, , positions, width] = stream.shape;
        const bits = tf.slice(stream, [0, word, 0, 0], [batch, 1, positions, width]);
        return packSteps(part(unpackSteps(bits, steps), { fire, product: spikeLinear }));
      }),
    );
    tf.dispose([...membranes.values()]);
    for (const [at, spikes] of seen.entries())
      if (onSpikes) {
        onSpikes(firstPlace + firstLayer - 1 + at, byPosition(tf.concat(spikes, 1)));
        tf.dispose(spikes);
      }
    for (const [at, parts] of active.entries())
      if (onNeurons) {
        const joined = (of: 'current' | 'spikes'): Tensor3D =>
          byPosition(
            tf.concat(
              parts.map((part) => part[of]),
              1,
            ),
          );
        const [current, spikes] = [joined('current'), joined('spikes')];
        onNeurons(firstPlace + firstLayer - 1 + at, { current, spikes, dynamics: this.dynamics });
        tf.dispose(parts);
      }
    return tf.concat(packed, 1);
  }

  private get dynamics(): Dynamics {
    return { kind: 'integrate', threshold: this.config.threshold };
  }

  /** IF(LN(W A + x)), A = IF(softmax(Q Kᵀ / √d) V) with K and V spikes, Q real. */
  private attention(
    encoder: number,
    x: Tensor4D,
    lengths: Tensor1D,
    { fire, product }: Neurons,
  ): Tensor4D {
    const [key, value, query, output] = [1, 2, 3, 4].map((place) => layerName(encoder, place));
    const times = (layer: string): Tensor4D => product(x, this.weights.matrix(`${layer}.weight`));
    const bias = (layer: string): Tensor1D => this.weights.vector(`${layer}.bias`);
    const keys = fire(1, times(`${key}.dense`), bias(`${key}.dense`));
    const values = fire(2, times(`${value}.dense`), bias(`${value}.dense`));
    const queries = times(`${query}.query`);
    const added = bias(`${query}.query`);
    const mixed = softmaxAttention(queries, added, keys, values, lengths, this.config.heads);
    return fire(4, this.output(output, product, fire(3, mixed), x));
  }

  /** IF(LN(W G + x)), G = IF(GELU(W x)). */
  private feedForward(encoder: number, x: Tensor4D, { fire, product }: Neurons): Tensor4D {
    const [intermediate, output] = [5, 6].map((place) => layerName(encoder, place));
    const inner = product(x, this.weights.matrix(`${intermediate}.dense.weight`));
    const hidden = biasGelu(inner, this.weights.vector(`${intermediate}.dense.bias`));
    return fire(6, this.output(output, product, fire(5, hidden), x));
  }

  /** LN(W s + residual). */
  private output(
    layer: string,
    product: typeof linear,
    spikes: Tensor4D,
    residual: Tensor4D,
  ): Tensor4D {
    const norm: StepNorm = {
      bias: this.weights.vector(`${layer}.dense.bias`),
      gamma: this.weights.vector(`${layer}.LayerNorm.weight`),
      beta: this.weights.vector(`${layer}.LayerNorm.bias`),
      epsilon: BERT_EPSILON,
    };
    return addNorm(product(spikes, this.weights.matrix(`${layer}.dense.weight`)), residual, norm);
  }

  /** The classification of the first token's firing rates. */
  classLogits(stream: Tensor4D): Tensor2D {
    return tf.tidy(() => {
      const [batch, , , width] = stream.shape;
      const counts = this.words().map((steps, word) => {
        const bits = tf.slice(stream, [0, word, 0, 0], [batch, 1, 1, width]);
        return tf.sum<Tensor2D>(tf.reshape(unpackSteps(bits, steps), [batch, steps, width]), 1);
      });
      // relu leaves rates as they are.
      const rates = tf.div<Tensor2D>(tf.addN(counts), this.config.timeSteps);
      return this.classified(rates);
    });
  }

  /**
   * One pass with the rates that the neurons would settle at under a constant current: a neuron that integrates
   * without a leak fires at min(max(I/θ, 0), 1).
   */
  rateLogits(tokens: TokenBatch): Tensor2D {
    return tf.tidy(() => {
      const { threshold, layers } = this.config;
      const lengths = realLengths(tokens);
      const fire: Fire = (_, x, bias) =>
        tf.clipByValue<Tensor4D>(
          tf.div<Tensor4D>(bias ? tf.add<Tensor4D>(x, bias) : x, threshold),
          0,
          1,
        );
      // Rates are no spikes.
      const neurons: Neurons = { fire, product: linear };
      let x = fire(0, this.current(tokens));
      for (let encoder = 0; encoder < layers; encoder++)
        x = this.feedForward(encoder, this.attention(encoder, x, lengths, neurons), neurons);
      const [batch, , , width] = x.shape;
      const rates: Tensor2D = tf.reshape(tf.slice(x, [0, 0, 0, 0], [batch, 1, 1, width]), [
        batch,
        width,
      ]);
      return this.classified(rates);
    });
  }

  private classified(rates: Tensor2D): Tensor2D {
    const logits = matMul(rates, this.weights.matrix('classification.weight'));
    return tf.add<Tensor2D>(logits, this.weights.vector('classification.bias'));
  }

  dispose(): void {
    this.weights.dispose();
  }
}
