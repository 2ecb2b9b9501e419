import { tidy, type TensorContainer } from '@tensorflow/tfjs-core';

/**
 * `tf.tidy` for results whose arrays are read-only: disposes every tensor made inside but those in the
 * result. Host arrays do not belong in it: the search for tensors would walk over their elements.
 */
export function scoped<T extends object>(run: () => T): T {
  return tidy(run as unknown as () => TensorContainer) as unknown as T;
}
