import { reshape, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core';
import { matMul } from '../../backend/kernels/ops.js';
import { spikeMatMul } from '../../backend/kernels/steps/ops.js';

/** x [B, S, L, in] · W [in, out]: steps and positions are rows of one product. */
export function linear(x: Tensor4D, weight: Tensor2D): Tensor4D {
  return byRows(x, weight, matMul);
}

/** {@link linear} of spikes, silent ones 0: the same numbers. */
export function spikeLinear(x: Tensor4D, weight: Tensor2D): Tensor4D {
  return byRows(x, weight, spikeMatMul);
}

function byRows(x: Tensor4D, weight: Tensor2D, product: typeof spikeMatMul): Tensor4D {
  const [batch, steps, positions, width] = x.shape;
  const rows: Tensor2D = reshape(x, [batch * steps * positions, width]);
  return reshape(product(rows, weight), [batch, steps, positions, weight.shape[1]]);
}
