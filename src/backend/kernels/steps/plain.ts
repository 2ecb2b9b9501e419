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

  kernel(names.TERNARY_STEPS, (inputs, { remembers }, { floats, output }) => {
    const { x, amplitudes } = inputs;
    const bias = inputs['bias'] as TensorInfo | undefined;
    const extent = extentOf(x, amplitudes.shape[0]);
    const out = output(shapeOf(extent));
    const stepped = steppedBy(floats)(x);
    const added = bias && floats(bias);
    loops.ternarySteps(stepped, added, floats(amplitudes), remembers === true, extent, floats(out));
    return out;
  }),

  kernel(names.SOFTMAX_ATTENTION, (inputs, { heads }, { floats, integers, output }) => {
    const { q, bias, k, v, lengths } = inputs;
    const out = output(q.shape);
    const [queries, added, keys, values] = [q, bias, k, v].map(floats);
    loops.softmaxAttention(
      ...[queries, added, keys, values],
      integers(lengths),
      heads as number,
      extentOf(q),
      floats(out),
    );
    return out;
  }),

  kernel(names.BIAS_GELU, ({ x, bias }, _attrs, { floats, output }) => {
    const out = output(x.shape);
    loops.biasGelu(floats(x), floats(bias), floats(out));
    return out;
  }),

  kernel(names.ADD_NORM, ({ x, residual, bias, gamma, beta }, attrs, { floats, output }) => {
    const out = output(x.shape);
    const epsilon = attrs['epsilon'] as number;
    const norm = { bias: floats(bias), gamma: floats(gamma), beta: floats(beta), epsilon };
    loops.addNorm(floats(x), steppedBy(floats)(residual), norm, extentOf(x), floats(out));
    return out;
  }),

  kernel(names.INTEGRATE_FIRE, (inputs, { threshold }, { floats, output }) => {
    const { x, membrane } = inputs;
    const bias = inputs['bias'] as TensorInfo | undefined;
    const [out, after] = [output(x.shape), output(membrane.shape)];
    loops.integrateFire(
      floats(x),
      bias && floats(bias),
      floats(membrane),
      threshold as number,
      extentOf(x),
      floats(out),
      floats(after),
    );
    return [out, after];
  }),

  kernel(names.PACK_STEPS, ({ spikes }, _attrs, { floats, output }) => {
    const extent = extentOf(spikes);
    const out = output(shapeOf({ ...extent, steps: 1 }));
    loops.packSteps(floats(spikes), extent, floats(out));
    return out;
  }),

  kernel(names.UNPACK_STEPS, ({ words }, { steps }, { floats, output }) => {
    const extent = extentOf(words, steps as number);
    const out = output(shapeOf(extent));
    loops.unpackSteps(floats(words), extent, floats(out));
    return out;
  }),
]);
