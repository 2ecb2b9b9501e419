import type { Tensor } from '@tensorflow/tfjs-core';
import type { CheckpointListing, TensorInfo } from '../checkpoint/types.js';
import type { Layout } from '../layout/layout.js';
import type { OperationOptions, TokenOperations } from '../layout/operations.js';
import type { DeviceForm } from '../quant/device/form.js';
import type { PackedTensor } from '../quant/packed/packed-tensor.js';
import type { ConfigChoice, ModelConfig } from './config.js';
import type { NeuronActivity } from './neurons/membranes.js';
import type { Pooling, TokenBatch, TokenPolicy } from './types.js';

/**
 * A kind of spiking language model. All that is known of its parameter names, stages, neurons and tokens is
 * known here: another family is another of these, and nothing else.
 */
export interface ModelFamily<Config extends ModelConfig = ModelConfig> {
  /** "spikegpt": for flags and files. */
  readonly id: string;
  /** "SpikeGPT": for people. */
  readonly title: string;
  /** The settings that the shapes in a checkpoint cannot tell. */
  readonly choices: readonly ConfigChoice[];

  /** True where the tensors look like those of this family, by their names. */
  claims(tensors: ReadonlyMap<string, TensorInfo>): boolean;
  /** True for a tensor that the layout does not have and that may be in the file all the same. */
  ignores(name: string): boolean;
  /**
   * The configuration that names and shapes imply, completed from the choices.
   *
   * @param chosen values of {@link choices}, by name
   * @throws {CheckpointError} when what everything hangs on is missing
   */
  derive(checkpoint: CheckpointListing, chosen: Readonly<Record<string, string | number>>): Config;
  /** The parameters, stages and spiking layers. */
  layout(config: Config): Layout;
  /** The feeding: tokenizer, special tokens, padding, pooling. */
  tokens(config: Config): TokenPolicy;
  /**
   * The layer that makes a classifier of a model without one: its name and shape. A family without it is only
   * trained as what it is.
   */
  newClassifier?(config: Config, classes: number): Pick<TensorInfo, 'name' | 'shape'>;
  /** The network on the running backend, its parameters still to be set. */
  build(config: Config): SpikingNetwork;
  /** The operations of one token; a family without it has no modelled energy. */
  operations?(config: Config, options: OperationOptions): TokenOperations;
  /** The model as C; a family without it runs here alone. */
  device?(config: Config): DeviceForm;
  /** True where the network has {@link SpikingNetwork.rateLogits}. */
  readonly rateProxy?: true;
  /** True where the network tells of its neurons ({@link NetworkHooks.onNeurons}). */
  readonly membranes?: true;
  /** True where it tells of its matrices' inputs ({@link NetworkHooks.onInputs}). */
  readonly inputs?: true;
  /** Settings that change a model's numbers and are not in its weights, for the keys of measurements. */
  variant(config: Config): string;
  /** The configuration for people: "6 blocks", "width 192". */
  describe(config: Config): string[];
}

/** The inputs of a matrix, and its product where that goes to neurons. */
export interface MatrixInputs {
  /** [B, T, in] */
  readonly inputs: Tensor;
  /**
   * Where the product is what leaky neurons over tokens take in, u = v + (x − v)/τ: that current before its gate,
   * and the gate before its sigmoid where there is one, [B, T, out] each.
   */
  readonly neurons?: {
    readonly product: Tensor;
    readonly gate?: Tensor | undefined;
    readonly tau: number;
  };
}

/** Ways to look inside while a network runs. */
export interface NetworkHooks {
  /**
   * Called with the spikes of each layer as they are made, [B, T, …] at all positions, padding included, which
   * are disposed after the call. A layer that fires in several steps has them behind each other: [B, T, S * C].
   *
   * @param layer place in the layout's list of spiking layers
   */
  readonly onSpikes?: ((layer: number, spikes: Tensor) => void) | undefined;
  /**
   * Called with what each layer's neurons were given and did, of a sample of their channels; the tensors are
   * disposed after the call. A layer without neurons, as an embedding of signs, is left out.
   *
   * @param layer as of `onSpikes`
   */
  readonly onNeurons?: ((layer: number, activity: NeuronActivity) => void) | undefined;
  /**
   * Called with the inputs of each matrix of the stages, by parameter name; the tensors are disposed after the call.
   * A matrix that feeds neurons comes after all others of its stage.
   */
  readonly onInputs?: ((name: string, given: MatrixInputs) => void) | undefined;
}

/** The likelihood of the token after each, as what a network is trained for. */
export interface TokenLoss {
  readonly kind: 'tokens';
  /** [B * T] */
  readonly targets: Int32Array;
  /** Of each target's NLL in the loss, [B * T]. */
  readonly weights: Float32Array;
  /** Factor of a pull on the largest logit of each position: RWKV's L2Wrap with 1e-4. None by default. */
  readonly pull?: number;
}

/** The likelihood of the class of each sequence, as what a network is trained for. */
export interface ClassLoss {
  readonly kind: 'classes';
  /** [B] */
  readonly labels: Int32Array;
  /** Real tokens of each sequence, [B]. */
  readonly lengths: Int32Array;
  readonly pooling: Pooling;
  /** Of each label's NLL in the loss, [B]. */
  readonly weights: Float32Array;
}

/** The loss Σ weight · NLL of a batch. */
export type Loss = TokenLoss | ClassLoss;

/** A network whose outputs another one is to have: distillation (Hinton et al., 2015). */
export interface Teacher {
  /** Of the same configuration; nothing of it changes. */
  readonly network: SpikingNetwork;
  /** Share of the divergence from it in the loss, above 0 and up to 1; the rest is the likelihood's. */
  readonly weight: number;
  /** Divisor of the logits of both, before they are compared. */
  readonly temperature: number;
}

/** Options of a gradient. */
export interface GradientOptions {
  /**
   * Values of a parameter that were set. Of a matrix of which only signs are read the network holds no more than
   * these; the gradient by its values needs them. Without it that gradient is by the spikes, 0 or 1.
   */
  readonly valuesOf?: (name: string) => Float32Array;
  /** Share of the stream that is dropped behind each block, and what decides which. None by default. */
  readonly dropout?: { readonly rate: number; readonly seed: number } | undefined;
  /** The loss is then Σ weight · ((1 − share) · NLL + share · temperature² · KL from the teacher's). */
  readonly teacher?: Teacher | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A loss and its gradient. */
export interface Gradient {
  /** NLL of each target or label in nats, unweighted: [B * T] or [B]. */
  readonly nll: Float32Array;
  /** Temperature² · KL divergence from the teacher's distribution of each, in nats; absent without a teacher. */
  readonly divergence?: Float32Array;
  /** By name, in the checkpoint's layout, row-major; parameters that the loss does not depend on are absent. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/**
 * A network on the running backend. The stream between its stages is one tensor [B, …], a sequence a row.
 * Whoever receives a tensor disposes it. Inputs were checked before they come here.
 */
export interface SpikingNetwork {
  /**
   * Puts a parameter on the device in place of its old value.
   *
   * @param values in the checkpoint's layout, row-major; not kept
   */
  setParameter(name: string, values: Float32Array): void;
  /**
   * Puts a matrix on the device as a packed file has it, where it stays packed; a family without it has no packed
   * execution.
   *
   * @param stored not kept
   * @throws {QuantError} for a scheme that there is no product of
   */
  setPacked?(name: string, stored: PackedTensor): void;
  /** The stream before stage 0. */
  embed(tokens: TokenBatch, hooks?: NetworkHooks): Tensor;
  /**
   * Stages `from` up to, not including, `to`, each sequence from a cleared state.
   *
   * @param stream before stage `from`; not disposed
   * @param tokens the sequences that the rows of the stream are
   */
  runStages(
    stream: Tensor,
    from: number,
    to: number,
    tokens: TokenBatch,
    hooks?: NetworkHooks,
  ): Tensor;
  /** Tells of the inputs of matrices behind the last stage that every token is multiplied with. */
  finalInputs?(stream: Tensor, onInputs: NonNullable<NetworkHooks['onInputs']>): void;
  /** NLL in nats of each target, [B * T], from the stream after the last stage. */
  tokenNll?(stream: Tensor, targets: Int32Array): Tensor;
  /** Logits over the vocabulary, [B, T, V], from the same. */
  tokenLogits?(stream: Tensor): Tensor;
  /**
   * Class logits, [B, classes], from the same.
   *
   * @param lengths real tokens of each sequence, [B]
   * @param time positions of each sequence, padding included
   */
  classLogits?(stream: Tensor, lengths: Int32Array, pooling: Pooling, time: number): Tensor;
  /**
   * The gradient of a loss by all parameters. Memory: the stream between stages, and the inside of one stage,
   * which is computed again on the way back.
   */
  gradient?(tokens: TokenBatch, loss: Loss, options?: GradientOptions): Promise<Gradient>;
  /**
   * Class logits, [B, classes], of one pass with firing rates for spikes: an approximation, which a search may order
   * candidates by and never decides by.
   */
  rateLogits?(tokens: TokenBatch): Tensor;
  /** For models that can go on from a state, token by token. */
  readonly recurrent?: RecurrentForm;
  /** Frees the parameters. */
  dispose(): void;
}

/** A network that continues sequences from an explicit state; equal to the whole sequence at once. */
export interface RecurrentForm<State = unknown> {
  /** The state before the first token, of `batch` sequences. */
  start(batch: number): State;
  /** @returns the stream after the last stage, [B, T, …], and the state after the last token */
  step(tokens: TokenBatch, state: State): { readonly stream: Tensor; readonly state: State };
  /** Frees a state. */
  dispose(state: State): void;
}
