import { reshape, transpose, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';

/** Spikes [B, T, L, C] as those who look inside see them, [B, L, T * C]: positions first. */
export function byPosition(spikes: Tensor4D): Tensor3D {
  const [batch, steps, positions, channels] = spikes.shape;
  return reshape(transpose(spikes, [0, 2, 1, 3]), [batch, positions, steps * channels]);
}
