import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { transposed } from '../../backend/transposed.js';
import type { Parameter } from '../../layout/layout.js';
import { CheckpointError } from '../../util/errors.js';

/**
 * The parameters of a network on the device, by name: matrices of products transposed to [in, out], so that
 * a product is x · W; tables that rows are looked up in, and vectors, as they are.
 */
export class DeviceParameters {
  private readonly tensors = new Map<string, Tensor>();
  private readonly parameters: ReadonlyMap<string, Parameter>;

  /** @param prepared a name's values as they are wanted on the device, where those are others */
  constructor(
    parameters: readonly Parameter[],
    private readonly prepared: (name: string, values: Float32Array) => Float32Array = (_, values) =>
      values,
  ) {
    this.parameters = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  }

  /** Takes a parameter's values. @param given in the checkpoint's layout, row-major; not kept */
  set(name: string, given: Float32Array): void {
    const { shape, role, use } = this.parameters.get(name)!;
    const values = this.prepared(name, given);
    this.tensors.get(name)?.dispose();
    const isProduct = role !== 'vector' && use !== 'lookup';
    const tensor = isProduct
      ? transposed(values, shape[0], shape[1])
      : // A copy: the device may keep the array that it is given.
        tf.tensor(values.slice(), shape.length === 0 ? [1] : [...shape], 'float32');
    this.tensors.set(name, tf.keep(tensor));
  }

  /** A vector, [C]. */
  vector(name: string): Tensor1D {
    return this.get(name) as Tensor1D;
  }

  /** A matrix [in, out], or a table [rows, C]. */
  matrix(name: string): Tensor2D {
    return this.get(name) as Tensor2D;
  }

  private get(name: string): Tensor {
    const tensor = this.tensors.get(name);
    if (tensor !== undefined) return tensor;
    throw new CheckpointError({
      what: `tensor "${name}" is not loaded`,
      where: 'model weights',
      got: `${this.tensors.size} of ${this.parameters.size} tensors`,
      expected: 'all parameters to be set before the first batch',
    });
  }

  /** Frees all parameters. */
  dispose(): void {
    for (const tensor of this.tensors.values()) tensor.dispose();
    this.tensors.clear();
  }
}
