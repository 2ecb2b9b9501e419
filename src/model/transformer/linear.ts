import { reshape, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core';
import { matMul } from '../../backend/kernels/ops.js';

/** x [B, S, L, in] · W [in, out]: steps and positions are rows of one product. */
export function linear(x: Tensor4D, weight: Tensor2D): Tensor4D {
  const [batch, steps, positions, width] = x.shape;
  const rows: Tensor2D = reshape(x, [batch * steps * positions, width]);
  return reshape(matMul(rows, weight), [batch, steps, positions, weight.shape[1]]);
}
