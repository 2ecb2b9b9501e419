import { tensor2d, type Tensor2D } from '@tensorflow/tfjs-core';
import { TRANSPOSE } from './kernels/backward/names.js';
import { hasKernel, runKernel } from './kernels/dispatch.js';

/** Side of the tiles that a transposition works in: both faces of one stay in the first-level cache. */
const TILE = 32;
/** Values of a larger matrix are turned on the host: a device's memory would have to hold it twice. */
const MOST_ON_DEVICE = 1 << 22;

/** A matrix [rows, columns] on the host as [columns, rows] on the device. */
export function transposed(values: Float32Array, rows: number, columns: number): Tensor2D {
  if (values.length <= MOST_ON_DEVICE && hasKernel(TRANSPOSE)) {
    const x = tensor2d(values, [rows, columns]);
    const [out] = runKernel(TRANSPOSE, { x });
    x.dispose();
    return out as Tensor2D;
  }
  const turned = new Float32Array(values.length);
  for (let top = 0; top < rows; top += TILE)
    for (let left = 0; left < columns; left += TILE) {
      const bottom = Math.min(top + TILE, rows);
      const right = Math.min(left + TILE, columns);
      for (let row = top; row < bottom; row++)
        for (let column = left; column < right; column++)
          turned[column * rows + row] = values[row * columns + column];
    }
  return tensor2d(turned, [columns, rows]);
}
