import type { Tensor } from '@tensorflow/tfjs-core';

/**
 * The values of a tensor on the host, row-major, and the tensor disposed. Reading is asynchronous on every
 * backend, since a GPU has to finish first.
 */
export async function readFloat32(tensor: Tensor): Promise<Float32Array> {
  const values = await tensor.data<'float32'>();
  tensor.dispose();
  return values;
}
