import { CheckpointError } from '../util/errors.js';
import { quoted } from './describe.js';

/**
 * Refuses weights that are NaN or infinite: one of them makes every result NaN, far from its cause.
 *
 * @param values of tensor `name`, row-major.
 * @throws {CheckpointError} naming the first such element and how many there are.
 */
export function requireFinite(path: string, name: string, values: Float32Array): void {
  let first = -1;
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    // x - x is 0 for finite x and NaN otherwise: cheaper than a call, in a loop over all weights.
    if (values[i] - values[i] === 0) continue;
    if (count++ === 0) first = i;
  }
  if (count === 0) return;
  throw new CheckpointError({
    what: 'the weights are not all finite numbers',
    where: `${path}: tensor ${quoted(name)}`,
    got: `${count} of ${values.length} NaN or infinite, the first at element ${first} (${values[first]})`,
    expected: 'finite values',
  });
}
