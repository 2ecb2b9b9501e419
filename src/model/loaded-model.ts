import { tidy, type Tensor } from '@tensorflow/tfjs-core';
import { readFloat32 } from '../backend/read.js';
import { requireFinite } from '../checkpoint/finite.js';
import { elementCount } from '../checkpoint/shape.js';
import type { Checkpoint } from '../checkpoint/types.js';
import { CheckpointError, ModelError, throwIfAborted, withMemoryNamed } from '../util/errors.js';
import { formatBytes } from '../util/format.js';
import { yieldToEvents, type RunOptions } from '../util/progress.js';
import type { ModelConfig, StatedConfig } from './config.js';
import type { Gradient, GradientOptions, Loss, SpikingNetwork } from './family.js';
import { packedReader, packedSetter } from './packed/packed-weights.js';
import { BatchSplitter, joined } from './split-batch.js';
import { describeModel, type ModelDescription } from './structure.js';
import type { Pooling, SequenceModel, TokenBatch } from './types.js';

/** Options of {@link LoadedModel.load}. */
export interface LoadOptions extends RunOptions {
  /**
   * False leaves in the file what the model's own outputs are not computed with, as a classifier's
   * language-model head; it can then not be asked for tokens. True by default.
   */
  readonly unused?: boolean;
  /** True leaves the matrices of a packed file packed in memory; on the backend `wasm`. False by default. */
  readonly packed?: boolean;
}

/**
 * A model with its weights on the running backend. What comes in is checked here, for any family, before the
 * network sees it.
 */
export class LoadedModel<Config extends ModelConfig = ModelConfig> implements SequenceModel {
  private readonly shapes: ReadonlyMap<string, readonly number[]>;
  private readonly splitter = new BatchSplitter();

  private constructor(
    readonly description: ModelDescription<Config>,
    /** Its parts, for those who run stages themselves. */
    readonly network: SpikingNetwork,
  ) {
    const { parameters } = description.layout;
    this.shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  }

  /**
   * Reads a checkpoint into the running backend, one tensor at a time.
   *
   * @param description of the checkpoint's model; found out where it is not at hand
   * @throws {CheckpointError} as `describeModel`, and for values that are not finite; with `packed` {CheckpointError}
   *   for plain weights, {ModelError} {BackendError} where a family or the backend cannot compute so.
   */
  static async load(
    checkpoint: Checkpoint,
    stated: StatedConfig | { readonly description: ModelDescription } = {},
    { onProgress, signal, unused: withUnused = true, packed = false }: LoadOptions = {},
  ): Promise<LoadedModel> {
    const description = isDescribed(stated)
      ? stated.description
      : await describeModel(checkpoint, stated);
    const { family, config, layout } = description;
    const model = new LoadedModel(description, family.build(config));
    const parameters = layout.parameters.filter(({ unused }) => withUnused || unused !== true);
    const total = parameters.length;
    const readPacked = packed ? packedReader(checkpoint) : undefined;
    const setPacked = packed ? packedSetter(model) : undefined;
    try {
      for (const [done, { name }] of parameters.entries()) {
        throwIfAborted(signal, `loading ${checkpoint.path}`);
        const stored = await readPacked?.(name);
        if (stored !== undefined) setPacked!(name, stored);
        else model.setParameter(name, await checkpoint.readFloat32(name), checkpoint.path);
        onProgress?.({ phase: 'load weights', done: done + 1, total, unit: 'tensors' });
        await yieldToEvents();
      }
    } catch (error) {
      model.dispose();
      const floats = layout.parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
      const got = `a model of ${formatBytes(4 * floats)} in float32`;
      throw withMemoryNamed(error, checkpoint.path, got, 'a smaller model, or fewer threads');
    }
    return model;
  }

  get config(): Config {
    return this.description.config;
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

  /**
   * Replaces one parameter, as a plan's quantized values do.
   *
   * @param values in the checkpoint's layout, row-major; not kept
   * @param where the file they came from, for messages
   * @throws {CheckpointError} when the name is unknown, the size is wrong, or a value is not finite
   */
  setParameter(name: string, values: Float32Array, where = 'setParameter'): void {
    const size = this.shapes.get(name)?.reduce((product, length) => product * length, 1);
    if (size !== values.length)
      throw new CheckpointError({
        what: `no place for tensor "${name}"`,
        where,
        got: `${values.length} values`,
        expected: size === undefined ? 'a parameter of this model' : `${size} values`,
      });
    requireFinite(where, name, values);
    this.network.setParameter(name, values);
  }

  /** The stream after the last stage, [B, …], each sequence from a cleared state. */
  private stream(tokens: TokenBatch): Tensor {
    this.checkTokens(tokens);
    const { network, description } = this;
    return tidy(() =>
      network.runStages(network.embed(tokens), 0, description.layout.stages.length, tokens),
    );
  }

  async tokenNll(inputs: TokenBatch, targets: Int32Array): Promise<Float32Array> {
    this.checkTokens({ ...inputs, ids: targets });
    const finish = this.finisher('tokenNll', 'language-model head');
    const outputs = await this.splitter.run(inputs, async (part, from) => {
      const some = targets.subarray(from * part.time, (from + part.batch) * part.time);
      return [await readFloat32(tidy(() => finish(this.stream(part), some)))];
    });
    return joined(outputs);
  }

  async classLogits(
    inputs: TokenBatch,
    lengths: Int32Array,
    pooling: Pooling,
  ): Promise<Float32Array> {
    this.checkLengths(inputs, lengths);
    const finish = this.finisher('classLogits', 'classifier');
    const outputs = await this.splitter.run(inputs, async (part, from) => {
      const some = lengths.subarray(from, from + part.batch);
      return [await readFloat32(tidy(() => finish(this.stream(part), some, pooling, part.time)))];
    });
    return joined(outputs);
  }

  /**
   * The gradient of Σ weight · NLL by all parameters that it depends on.
   *
   * @throws {ModelError} for a family that has no gradients, a model without the output that the loss is of, and
   *   tokens, labels or lengths that do not fit. {AbortedError} between two stages.
   */
  async gradient(tokens: TokenBatch, loss: Loss, options: GradientOptions = {}): Promise<Gradient> {
    const { network, description } = this;
    if (network.gradient === undefined)
      throw new ModelError({
        what: 'models of this family cannot be trained here',
        where: description.family.title,
        expected: 'a SpikeGPT',
      });
    this.checkTokens(tokens);
    if (loss.kind === 'tokens') {
      this.finisher('tokenNll', 'language-model head');
      this.checkTokens({ ...tokens, ids: loss.targets });
    } else {
      this.finisher('classLogits', 'classifier');
      this.checkLengths(tokens, loss.lengths);
      this.checkLabels(tokens, loss.labels);
    }
    return network.gradient(tokens, loss, options);
  }

  /**
   * Class logits, [B * classes], of the network's one pass with firing rates for spikes: an approximation.
   *
   * @throws {ModelError} for a family without it, and tokens that do not fit.
   */
  async rateLogits(tokens: TokenBatch): Promise<Float32Array> {
    const { network } = this;
    requireRateProxy(this.description);
    this.checkTokens(tokens);
    return readFloat32(tidy(() => network.rateLogits!(tokens)));
  }

  private checkLabels({ batch }: TokenBatch, labels: Int32Array): void {
    const wrong = labels.findIndex((label) => label < 0 || label >= this.classes);
    if (labels.length === batch && wrong < 0) return;
    throw new ModelError({
      what: 'labels do not fit the batch',
      where: 'model input',
      got: wrong < 0 ? `${labels.length} labels` : `label ${labels[wrong]} of sequence ${wrong}`,
      expected: `${batch} labels from 0 to ${this.classes - 1}`,
    });
  }

  /**
   * The function that turns the stream after the last stage into outputs.
   *
   * @throws {ModelError} for a model that has no such outputs.
   */
  finisher<Name extends 'tokenNll' | 'tokenLogits' | 'classLogits'>(
    name: Name,
    layer: string,
  ): NonNullable<SpikingNetwork[Name]> {
    const there = name === 'classLogits' ? this.classes > 0 : this.config.head;
    const finish = this.network[name];
    if (there && finish !== undefined)
      return finish.bind(this.network) as NonNullable<SpikingNetwork[Name]>;
    throw new ModelError({
      what: `the model has no ${layer}`,
      where: this.description.family.title,
      expected: `a checkpoint with a ${layer}`,
    });
  }

  /** @throws {ModelError} for an empty batch, a wrong size, or a token outside the vocabulary */
  checkTokens({ ids, batch, time }: TokenBatch): void {
    if (batch < 1 || time < 1 || ids.length !== batch * time)
      throw new ModelError({
        what: 'the token batch has no positions, or not as many tokens as its shape',
        where: 'model input',
        got: `${ids.length} tokens for [${batch}, ${time}]`,
        expected: 'batch * time tokens, at least one',
      });
    const { vocabSize } = this;
    const at = ids.findIndex((id) => id < 0 || id >= vocabSize);
    if (at >= 0)
      throw new ModelError({
        what: 'token outside the vocabulary',
        where: `model input, sequence ${Math.floor(at / time)}, position ${at % time}`,
        got: `token ${ids[at]}`,
        expected: `0 to ${vocabSize - 1}`,
      });
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

  /** Frees the weights. */
  dispose(): void {
    this.network.dispose();
  }
}

function isDescribed(
  stated: StatedConfig | { readonly description: ModelDescription },
): stated is { readonly description: ModelDescription } {
  return 'description' in stated;
}

/** @throws {ModelError} for a family without a one-pass approximation by firing rates. */
export function requireRateProxy({ family }: Pick<ModelDescription, 'family'>): void {
  if (family.rateProxy === true) return;
  throw new ModelError({
    what: 'no approximation of this family by firing rates is known',
    where: family.title,
    got: 'a network without one (predictor rates)',
    expected: 'predictor metric or kl, or a family whose neurons integrate and fire without a leak',
  });
}
