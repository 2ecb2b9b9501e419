import type { TensorInfo } from '@tensorflow/tfjs-core';
import { kernel, type Memory, type Run } from '../plain.js';
import * as loops from './loops.js';
import * as names from './names.js';

/** The extent of a result [B, T, L, C] from an input with steps of its own. */
export function extentOf({ shape }: TensorInfo, steps = shape[1]): loops.StepExtent {
  return { batch: shape[0], steps, positions: shape[2], channels: shape[3] };
}

/** [B, T, L, C] */
export function shapeOf({ batch, steps, positions, channels }: loops.StepExtent): number[] {
  return [batch, steps, positions, channels];
}

const steppedBy =
  (floats: Memory['floats']) =>
  (tensor: TensorInfo): loops.Stepped => ({ values: floats(tensor), steps: tensor.shape[1] });

/** The kernels on the loops of {@link ./loops.ts}; outputs are made before an array is asked for. */
export const STEP_PLAIN_KERNELS: ReadonlyMap<string, Run<Memory>> = new Map([
  kernel<Memory>(names.LIF_STEPS, (inputs, attrs, { floats, output }) => {
    const { x, bias, gamma, beta } = inputs;
    const residual = inputs['residual'] as TensorInfo | undefined;
    const extent = extentOf(x, attrs['steps'] as number);
    const out = output(shapeOf(extent));
    const apart = residual && attrs['withSpikes'] === true ? output(shapeOf(extent)) : undefined;
    const stepped = steppedBy(floats);
    const epsilon = attrs['epsilon'] as number;
    const normed = attrs['normed'] === true;
    loops.lifSteps(
      stepped(x),
      normed
        ? { bias: floats(bias), gamma: floats(gamma), beta: floats(beta), epsilon }
        : undefined,
      attrs as unknown as loops.LifConstants,
      residual && stepped(residual),
      extent,
      floats(out),
      apart && floats(apart),
    );
    return apart ? [out, apart] : [out];
  }),

  kernel(names.SPIKE_ATTENTION, ({ q, k, v, weights }, { heads }, { floats, output }) => {
    const out = output(q.shape);
    const [queries, keys, values, counts] = [q, k, v, weights].map(floats);
    loops.spikeAttention(queries, keys, values, counts, heads as number, extentOf(q), floats(out));
    return out;
  }),
]);
