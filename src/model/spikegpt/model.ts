import * as tf from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { scoped } from '../../backend/scope.js';
import { gatherRows, headNll, layerNorm, maskedMean, matMul } from '../../backend/kernels/ops.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import { ModelError, throwIfAborted } from '../../util/errors.js';
import { breathe, type RunOptions } from '../../util/progress.js';
import { linear, runFfnStage, runMixStage, type SpikeProbe, type StageResult } from './block.js';
import { deriveConfig, type ConfigFlags, type ConfigReport, type ModelConfig } from './config.js';
import { checkParameters, parametersOf, type Parameter } from './parameters.js';
import {
  disposeState,
  initialBlockState,
  initialState,
  type BlockState,
  type RecurrentState,
} from './state.js';
import type { Pooling, SequenceModel, TokenBatch } from '../types.js';
import { Weights, type ParameterSource } from './weights.js';

/**
 * A SpikeGPT on the running TensorFlow.js backend: the training graph of the published model without
 * dropout (the published generation script differs from it and is not followed).
 *
 * The phases, each usable alone: `embed` tokens to x [B, T, C]; `runStages` over x; `normalize` with
 * ln_out; then logits, class logits or likelihoods. Whoever receives a tensor disposes it.
 */
export class SpikeGPT implements SequenceModel {
  private constructor(
    readonly config: ModelConfig,
    readonly report: ConfigReport,
    readonly parameters: readonly Parameter[],
    private readonly weights: Weights,
  ) {}

  /**
   * Reads a checkpoint into the running backend, one tensor at a time.
   *
   * @throws {CheckpointError} when tensors are missing, surplus, misshapen or not finite
   */
  static async load(
    checkpoint: Checkpoint,
    { onProgress, signal, ...flags }: ConfigFlags & RunOptions = {},
  ): Promise<SpikeGPT> {
    const report = await deriveConfig(checkpoint, flags);
    const parameters = parametersOf(report.config);
    checkParameters(checkpoint, parameters);
    const model = new SpikeGPT(
      report.config,
      report,
      parameters,
      new Weights(report.config, parameters),
    );
    try {
      for (const [done, { name }] of parameters.entries()) {
        throwIfAborted(signal, `loading ${checkpoint.path}`);
        await model.loadParameter(checkpoint, name);
        onProgress?.({
          phase: 'load weights',
          done: done + 1,
          total: parameters.length,
          unit: 'tensors',
        });
        await breathe();
      }
    } catch (error) {
      model.dispose();
      throw error;
    }
    return model;
  }

  private async loadParameter(source: ParameterSource, name: string): Promise<void> {
    this.weights.set(name, await source.readFloat32(name), source.path);
  }

  /** Replaces one parameter, in the checkpoint's layout: how a plan's quantized values get in. */
  setParameter(name: string, values: Float32Array, where = 'setParameter'): void {
    this.weights.set(name, values, where);
  }

  get vocabSize(): number {
    return this.config.vocabSize;
  }
  get contextLength(): number {
    return this.config.contextLength;
  }
  get classes(): number {
    return this.config.classes;
  }

  /** @throws {ModelError} for an empty batch, a wrong size, or a token outside the vocabulary */
  private checkTokens({ ids, batch, time }: TokenBatch): void {
    if (batch < 1 || time < 1 || ids.length !== batch * time)
      throw new ModelError({
        what: 'the token batch has no positions, or not as many tokens as its shape',
        where: 'model input',
        got: `${ids.length} tokens for [${batch}, ${time}]`,
        expected: 'batch * time tokens, at least one',
      });
    const { vocabSize } = this.config;
    const at = ids.findIndex((id) => id < 0 || id >= vocabSize);
    if (at >= 0)
      throw new ModelError({
        what: 'token outside the vocabulary',
        where: `model input, sequence ${Math.floor(at / time)}, position ${at % time}`,
        got: `token ${ids[at]}`,
        expected: `0 to ${vocabSize - 1}`,
      });
  }

  /** Embedded tokens, [B, T, C]: spikes (0 or 1), or the dense embedding. */
  embed(tokens: TokenBatch): Tensor3D {
    this.checkTokens(tokens);
    const { ids, batch, time } = tokens;
    return tf.tidy(() =>
      tf.reshape<tf.Rank.R3>(
        gatherRows(this.weights.matrix('emb.weight'), tf.tensor1d(ids, 'int32')),
        [batch, time, this.config.width],
      ),
    );
  }

  /** Stages of the network: two a block, SRWKV (stage 2 b) and SRFFN (stage 2 b + 1). */
  get stages(): number {
    return 2 * this.config.layers;
  }

  /**
   * Stages `from` up to, not including, `to`, each sequence from a cleared state.
   *
   * @param x [B, T, C], the residual stream before stage `from`; not disposed
   * @returns the residual stream before stage `to`
   */
  runStages(x: Tensor3D, from: number, to: number, { probe, onStage }: StageHooks = {}): Tensor3D {
    return tf.tidy(() => {
      let stream = x;
      for (let stage = from; stage < to; stage++) {
        const before = stream;
        const rest = initialBlockState(this.config, x.shape[0]);
        const result = this.runStage(stage, stream, rest, probe);
        disposeState([rest, result.state]);
        stream = result.x;
        if (before !== x) before.dispose();
        onStage?.(stage, stream);
      }
      return stream === x ? x.clone() : stream;
    });
  }

  private runStage(
    stage: number,
    x: Tensor3D,
    state: BlockState,
    probe?: SpikeProbe,
  ): StageResult<Partial<BlockState>> {
    const block = Math.floor(stage / 2);
    return stage % 2 === 0
      ? runMixStage(this.weights, block, this.config.ffnPre, x, state, probe)
      : runFfnStage(this.weights, block, x, state, probe);
  }

  /** ln_out over the residual stream after the last block, [B, T, C]. */
  normalize(x: Tensor3D): Tensor3D {
    return layerNorm(x, this.weights.vector('ln_out.weight'), this.weights.vector('ln_out.bias'));
  }

  /** The normalized hidden states of whole sequences, [B, T, C]. */
  hidden(tokens: TokenBatch, hooks: StageHooks = {}): Tensor3D {
    return tf.tidy(() => {
      const x = this.embed(tokens);
      return this.normalize(this.runStages(x, 0, this.stages, hooks));
    });
  }

  /** Language-model logits of hidden states, [B, T, V]. */
  headLogits(hidden: Tensor3D): Tensor3D {
    return tf.tidy(() => linear(hidden, this.headMatrix()));
  }

  private headMatrix(): Tensor2D {
    if (this.config.head) return this.weights.matrix('head.weight');
    throw new ModelError({
      what: 'the model has no language-model head',
      where: 'head.weight',
      expected: 'a checkpoint with head.weight',
    });
  }

  /** NLL of each target under hidden states [B, T, C], in nats, [B * T] on the host. */
  async headNll(hidden: Tensor3D, targets: Int32Array): Promise<Float32Array> {
    const head = this.headMatrix();
    const [batch, time, width] = hidden.shape;
    const nll = tf.tidy(() =>
      headNll(tf.reshape(hidden, [batch * time, width]), head, tf.tensor1d(targets, 'int32')),
    );
    const values = await nll.data<'float32'>();
    nll.dispose();
    return values;
  }

  async tokenNll(inputs: TokenBatch, targets: Int32Array): Promise<Float32Array> {
    this.checkTokens({ ...inputs, ids: targets });
    const hidden = this.hidden(inputs);
    try {
      return await this.headNll(hidden, targets);
    } finally {
      hidden.dispose();
    }
  }

  /** Class logits of hidden states, [B, classes]: mean over tokens, then the classifier. */
  poolAndClassify(hidden: Tensor3D, lengths: Int32Array): Tensor2D {
    if (this.config.classes === 0)
      throw new ModelError({
        what: 'the model has no classifier',
        where: 'classifier.weight',
        expected: 'a checkpoint fine-tuned for classification',
      });
    return tf.tidy(() => {
      const counts: Tensor1D = tf.tensor1d(lengths, 'int32');
      return matMul(maskedMean(hidden, counts), this.weights.matrix('classifier.weight'));
    });
  }

  async classLogits(
    inputs: TokenBatch,
    lengths: Int32Array,
    pooling: Pooling,
  ): Promise<Float32Array> {
    this.checkLengths(inputs, lengths);
    const counted =
      pooling === 'real-tokens' ? lengths : new Int32Array(inputs.batch).fill(inputs.time);
    const logits = tf.tidy(() => this.poolAndClassify(this.hidden(inputs), counted));
    const values = (await logits.data()) as Float32Array;
    logits.dispose();
    return values;
  }

  private checkLengths({ batch, time }: TokenBatch, lengths: Int32Array): void {
    const wrong = lengths.findIndex((length) => length < 1 || length > time);
    if (lengths.length === batch && wrong < 0) return;
    throw new ModelError({
      what: 'sequence lengths do not fit the batch',
      where: 'model input',
      got:
        wrong < 0 ? `${lengths.length} lengths` : `length ${lengths[wrong]} of sequence ${wrong}`,
      expected: `${batch} lengths from 1 to ${time}`,
    });
  }

  initialState(batch: number): RecurrentState {
    return initialState(this.config, batch);
  }

  /**
   * The recurrent form: continues B sequences by T tokens from an explicit state. Equal to the parallel
   * form over the whole sequence, whatever the cuts.
   *
   * @returns hidden states [B, T, C] and the state after the last token; `state` is not disposed
   */
  step(tokens: TokenBatch, state: RecurrentState): { hidden: Tensor3D; state: RecurrentState } {
    return scoped(() => {
      let x = this.embed(tokens);
      const after = state.map((before, block) => {
        const mixed = runMixStage(this.weights, block, this.config.ffnPre, x, before, undefined);
        const fed = runFfnStage(this.weights, block, mixed.x, before, undefined);
        x = fed.x;
        return { ...mixed.state, ...fed.state };
      });
      return { hidden: this.normalize(x), state: after };
    });
  }

  dispose(): void {
    this.weights.dispose();
  }
}

/** Ways to look inside while the stages run. */
export interface StageHooks {
  readonly probe?: SpikeProbe | undefined;
  /** Called with the residual stream after each stage, which it must not keep. */
  readonly onStage?: ((stage: number, residual: Tensor3D) => void) | undefined;
}
