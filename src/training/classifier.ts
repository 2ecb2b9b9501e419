import { elementCount } from '../checkpoint/shape.js';
import type { Checkpoint, TensorInfo } from '../checkpoint/types.js';
import { seededRandom } from '../util/random.js';

/** A layer that a checkpoint does not have: a matrix, [out, in]. Plain data. */
export interface NewLayer extends Pick<TensorInfo, 'name' | 'shape'> {
  /** Of its values. */
  readonly seed: number;
}

/**
 * A checkpoint with a layer that it does not have: values of a seed, uniform within 1 / sqrt(inputs), as a new
 * layer of PyTorch's has. Its hash stays that of the file.
 */
export function withNewLayer(checkpoint: Checkpoint, { name, shape, seed }: NewLayer): Checkpoint {
  const random = seededRandom(seed);
  const limit = 1 / Math.sqrt(shape[1]);
  const values = Float32Array.from({ length: elementCount(shape) }, () =>
    Math.fround((2 * random.float() - 1) * limit),
  );
  const info: TensorInfo = { name, shape, dtype: 'float32' };
  const { path, format, tensors, metadata } = checkpoint;
  return {
    ...{ path, format, metadata },
    tensors: new Map([...tensors, [name, info]]),
    readFloat32: (wanted) =>
      wanted === name ? Promise.resolve(values.slice()) : checkpoint.readFloat32(wanted),
    readBytes: (wanted) =>
      wanted === name
        ? Promise.resolve(new Uint8Array(values.slice().buffer))
        : checkpoint.readBytes(wanted),
    sha256: () => checkpoint.sha256(),
    close: () => checkpoint.close(),
  };
}
