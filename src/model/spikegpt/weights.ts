import * as tf from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import {
  disposePacked,
  isPacked,
  packedMatrix,
  packedTable,
  type Factor,
  type PackedMatrix,
  type PackedTable,
} from '../../backend/kernels/packed/packed.js';
import { transposed } from '../../backend/transposed.js';
import type { PackedTensor } from '../../quant/packed/packed-tensor.js';
import { CheckpointError } from '../../util/errors.js';
import type { SpikeGPTConfig } from './config.js';
import { spikeGPTLayout } from './layout.js';

/**
 * The parameters on the device, in the layout the forward pass wants:
 * - matrices transposed to [in, out], so that a product is x · W;
 * - a spike embedding as its spikes, H(e), since nothing else of it is used;
 * - the token-shift mixes of a module stacked, [count, C].
 *
 * Or packed, as they are stored: then the embedding's rows are dequantized as they are looked up, and a product's
 * weights within the product.
 */
export class Weights {
  private readonly tensors = new Map<string, tf.Tensor | PackedMatrix | PackedTable>();
  /** Host copies of the mixes: a stack is rebuilt when one of its rows changes. */
  private readonly mixes = new Map<string, Float32Array>();
  private readonly shapes: ReadonlyMap<string, readonly number[]>;

  constructor(private readonly config: SpikeGPTConfig) {
    const { parameters } = spikeGPTLayout(config);
    this.shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  }

  /** Takes a parameter's values. @param values in the checkpoint's layout, row-major; not kept */
  set(name: string, values: Float32Array): void {
    const shape = this.shapes.get(name)!;
    const mix = /^(.*)\.time_mix_([kvr])$/.exec(name);
    if (mix) this.setMix(mix[1], mix[2], values);
    else if (name === 'emb.weight') this.put(name, tf.tensor(this.embedded(values), [...shape]));
    else if (shape.length === 2) this.put(name, transposed(values, shape[0], shape[1]));
    // Copied: the backend may keep the array, and its owner may change it, in another thread too.
    else this.put(name, tf.tensor1d(values.slice()));
  }

  /** Takes a matrix as it is stored, which stays packed. @param stored not kept */
  setPacked(name: string, stored: PackedTensor): void {
    const isTable = name === 'emb.weight';
    const spikes = this.config.embedding === 'spike';
    this.replace(name, isTable ? packedTable(stored, spikes) : packedMatrix(stored, name));
  }

  private embedded(values: Float32Array): Float32Array {
    if (this.config.embedding === 'dense') return values.slice();
    // A loop: mapping calls a function a value, and training comes here each step.
    const spikes = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) spikes[i] = values[i] >= 0 ? 1 : 0;
    return spikes;
  }

  private setMix(module: string, input: string, values: Float32Array): void {
    this.mixes.set(`${module}.${input}`, values.slice());
    const rows = ['k', 'v', 'r'].flatMap((row) => this.mixes.get(`${module}.${row}`) ?? []);
    const stack = new Float32Array(rows.length * this.config.width);
    for (const [index, row] of rows.entries()) stack.set(row, index * this.config.width);
    this.put(`${module}.mixes`, tf.tensor2d(stack, [rows.length, this.config.width]));
  }

  private put(name: string, tensor: tf.Tensor): void {
    this.replace(name, tf.keep(tensor));
  }

  private replace(name: string, weights: tf.Tensor | PackedMatrix | PackedTable): void {
    const before = this.tensors.get(name);
    if (before !== undefined) free(before);
    this.tensors.set(name, weights);
  }

  /** A parameter of one dimension, [C]. */
  vector(name: string): Tensor1D {
    return this.get(name) as Tensor1D;
  }

  /** [in, out] for a linear layer, [count, C] for `<module>.mixes`: not of a model that is packed. */
  matrix(name: string): Tensor2D {
    return this.get(name) as Tensor2D;
  }

  /** The second factor of a linear layer, [in, out], packed or not. */
  factor(name: string): Factor {
    return this.get(name) as Factor;
  }

  /** The embedding, [vocab, C], packed or not. */
  table(name: string): Tensor2D | PackedTable {
    return this.get(name) as Tensor2D | PackedTable;
  }

  /** True where a matrix is packed: there are then no gradients. */
  get packed(): boolean {
    return [...this.tensors.values()].some((weights) => isPacked(weights));
  }

  private get(name: string): tf.Tensor | PackedMatrix | PackedTable {
    const tensor = this.tensors.get(name);
    if (tensor === undefined)
      throw new CheckpointError({ what: `tensor "${name}" is not loaded`, where: 'model weights' });
    return tensor;
  }

  /** Frees all parameters. */
  dispose(): void {
    for (const weights of this.tensors.values()) free(weights);
    this.tensors.clear();
  }
}

function free(weights: tf.Tensor | PackedMatrix | PackedTable): void {
  if (isPacked(weights)) disposePacked(weights);
  else weights.dispose();
}
