import * as tf from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { matMul } from '../../backend/kernels/ops.js';
import {
  addNorm,
  biasGelu,
  softmaxAttention,
  ternarySteps,
  type StepNorm,
} from '../../backend/kernels/steps/ops.js';
import { CheckpointError } from '../../util/errors.js';
import type { NetworkHooks, SpikingNetwork } from '../family.js';
import { atAllSteps, sampleChannels, type NeuronActivity } from '../neurons/membranes.js';
import { DeviceParameters } from '../transformer/device-parameters.js';
import { BERT_EPSILON, embedTokens, realLengths } from '../transformer/embedding.js';
import { linear } from '../transformer/linear.js';
import { byPosition } from '../transformer/step-spikes.js';
import type { TokenBatch } from '../types.js';
import type { SpikeLMConfig } from './config.js';
import {
  ATTENTION_NEURONS,
  FEED_FORWARD_NEURONS,
  layerPrefix,
  NEURONS,
  spikeLMLayout,
} from './layout.js';

/** The input current of neurons: a product, and a bias still to be added where there is one. */
export interface Current {
  /** [B, S, L, C] */
  readonly x: Tensor4D;
  /** [C] */
  readonly bias: Tensor1D | undefined;
  /** False for neurons that keep no membrane from step to step. */
  readonly remembers: boolean;
}

/** Told of neurons' input before they fire; what it returns becomes their amplitudes. */
export type Calibrate = (neurons: string, current: Current) => readonly number[];

/** As a file has them whose first batch has not been run: the published code sets them anew then. */
const UNSET_AMPLITUDE = 1;

const AMPLITUDE = /^(.*\.(?:act_clip_val|clip_key|clip_value))\.(\d+)$/;

/** Fires a layer's neurons. @param place among the layer's neurons, for those who look inside */
type Fire = (place: number, current: Current) => Tensor4D;

/**
 * The published graph in evaluation. The stream is x [B, S, L, D] with S steps, one before the first stage,
 * where all are alike. Two stages a layer: attention, then feed-forward.
 * Source: SpikeLM, spikeLM-BERT/spike_bert.py and spiking.py.
 */
export class SpikeLMNetwork implements SpikingNetwork {
  private readonly weights: DeviceParameters;
  /** α of each layer of neurons, [T] on the host, until all are there. */
  private readonly amplitudes = new Map<string, Float32Array>();
  private readonly onDevice = new Map<string, Tensor1D>();

  /** @param calibrate sets the amplitudes of neurons as they come; without it they are those of the file */
  constructor(
    private readonly config: SpikeLMConfig,
    private readonly calibrate?: Calibrate,
  ) {
    this.weights = new DeviceParameters(spikeLMLayout(config).parameters);
  }

  /** @throws {CheckpointError} for an amplitude that was never set */
  setParameter(name: string, values: Float32Array): void {
    const amplitude = AMPLITUDE.exec(name);
    if (amplitude === null) {
      this.weights.set(name, values);
      return;
    }
    const [, neurons, step] = amplitude;
    if (values[0] === UNSET_AMPLITUDE && this.calibrate === undefined)
      throw new CheckpointError({
        what: 'the amplitude of a SpikeLM was never set: its first batch sets it',
        where: name,
        got: String(values[0]),
        expected:
          "amplitudes of training, or a model through calibrateAmplitudes ('qslm/internal')",
      });
    const { timeSteps } = this.config;
    const all = this.amplitudes.get(neurons) ?? new Float32Array(timeSteps);
    all[Number(step)] = values[0];
    this.amplitudes.set(neurons, all);
    this.setAmplitudes(neurons, all);
  }

  private setAmplitudes(neurons: string, values: ArrayLike<number>): void {
    this.onDevice.get(neurons)?.dispose();
    this.onDevice.set(neurons, tf.keep(tf.tensor1d(Array.from(values))));
  }

  embed(tokens: TokenBatch): Tensor4D {
    const table = (name: string): Tensor2D =>
      this.weights.matrix(`bert.embeddings.${name}_embeddings.weight`);
    return embedTokens(tokens, {
      word: table('word'),
      position: table('position'),
      type: table('token_type'),
      gamma: this.weights.vector('bert.embeddings.LayerNorm.weight'),
      beta: this.weights.vector('bert.embeddings.LayerNorm.bias'),
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
      const lengths = realLengths(tokens);
      let x = stream;
      for (let stage = from; stage < to; stage++) {
        const layer = Math.floor(stage / 2);
        const isAttention = stage % 2 === 0;
        const neurons = isAttention ? ATTENTION_NEURONS : FEED_FORWARD_NEURONS;
        const first = layer * NEURONS + (isAttention ? 0 : ATTENTION_NEURONS.length);
        const fire: Fire = (place, current) => {
          const name = `${layerPrefix(layer)}.${neurons[place][1]}`;
          const spikes = this.fire(name, current);
          onSpikes?.(first + place, byPosition(tf.sign(spikes)));
          onNeurons?.(first + place, this.activityOf(name, current, spikes));
          return spikes;
        };
        const before = x;
        x = tf.tidy(() =>
          isAttention
            ? this.attention(layerPrefix(layer), before, lengths, fire)
            : this.feedForward(layerPrefix(layer), before, fire),
        );
        if (before !== stream) before.dispose();
      }
      return x === stream ? x.clone() : x;
    });
  }

  private fire(neurons: string, current: Current): Tensor4D {
    const found = this.calibrate?.(neurons, current);
    if (found !== undefined) this.setAmplitudes(neurons, found);
    const { x, bias, remembers } = current;
    return ternarySteps(x, bias, this.onDevice.get(neurons)!, remembers);
  }

  private activityOf(
    neurons: string,
    { x, bias, remembers }: Current,
    spikes: Tensor4D,
  ): NeuronActivity {
    const { timeSteps } = this.config;
    const current = sampleChannels(bias ? tf.add<Tensor4D>(x, bias) : x, timeSteps);
    const amplitudes = this.amplitudes.get(neurons)!;
    return {
      current: byPosition(atAllSteps(current, timeSteps)),
      spikes: byPosition(sampleChannels(spikes, timeSteps)),
      dynamics: { kind: 'ternary', amplitudes, remembers },
    };
  }

  /** LN(W t(P V') + x), P = softmax(Q K'ᵀ / √d), K' and V' ternary without a membrane, Q real. */
  private attention(prefix: string, x: Tensor4D, lengths: Tensor1D, fire: Fire): Tensor4D {
    const self = `${prefix}.attention.self`;
    const product = (place: number, part: string): Tensor4D => {
      const spikes = fire(place, { x, bias: undefined, remembers: true });
      return linear(spikes, this.weights.matrix(`${self}.${part}.weight`));
    };
    const bias = (part: string): Tensor1D => this.weights.vector(`${self}.${part}.bias`);
    const [query, key, value] = ['query', 'key', 'value'].map((part, at) => product(at, part));
    const keys = fire(3, { x: key, bias: bias('key'), remembers: false });
    const values = fire(4, { x: value, bias: bias('value'), remembers: false });
    const { heads } = this.config;
    const mixed = softmaxAttention(query, bias('query'), keys, values, lengths, heads);
    return this.output(`${prefix}.attention.output`, 5, mixed, x, fire);
  }

  /** LN(W t(GELU(W t(y))) + y). */
  private feedForward(prefix: string, y: Tensor4D, fire: Fire): Tensor4D {
    const spikes = fire(0, { x: y, bias: undefined, remembers: true });
    const dense = `${prefix}.intermediate.dense`;
    const product = linear(spikes, this.weights.matrix(`${dense}.weight`));
    const hidden = biasGelu(product, this.weights.vector(`${dense}.bias`));
    return this.output(`${prefix}.output`, 1, hidden, y, fire);
  }

  /** LN(W t(x) + residual). */
  private output(
    part: string,
    place: number,
    x: Tensor4D,
    residual: Tensor4D,
    fire: Fire,
  ): Tensor4D {
    const spikes = fire(place, { x, bias: undefined, remembers: true });
    const product = linear(spikes, this.weights.matrix(`${part}.dense.weight`));
    const norm: StepNorm = {
      bias: this.weights.vector(`${part}.dense.bias`),
      gamma: this.weights.vector(`${part}.LayerNorm.weight`),
      beta: this.weights.vector(`${part}.LayerNorm.bias`),
      epsilon: BERT_EPSILON,
    };
    return addNorm(product, residual, norm);
  }

  /** The mean over steps of the first token, tanh of the pooler, the classifier. */
  classLogits(stream: Tensor4D): Tensor2D {
    return tf.tidy(() => {
      const pooled = this.pooled(stream);
      const logits = matMul(pooled, this.weights.matrix('classifier.weight'));
      return tf.add<Tensor2D>(logits, this.weights.vector('classifier.bias'));
    });
  }

  /** The pooler's output, [B, D]. */
  private pooled(stream: Tensor4D): Tensor2D {
    const [batch, steps, , width] = stream.shape;
    const first = tf.slice(stream, [0, 0, 0, 0], [batch, steps, 1, width]);
    const mean = tf.mean<Tensor2D>(tf.reshape(first, [batch, steps, width]), 1);
    const product = matMul(mean, this.weights.matrix('bert.pooler.dense.weight'));
    return tf.tanh(tf.add<Tensor2D>(product, this.weights.vector('bert.pooler.dense.bias')));
  }

  dispose(): void {
    this.weights.dispose();
    for (const tensor of this.onDevice.values()) tensor.dispose();
    this.onDevice.clear();
  }
}
