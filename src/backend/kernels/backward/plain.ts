import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Extent } from '../loops.js';
import { kernel, type Memory, type Run } from '../plain.js';
import * as loops from './loops.js';
import * as names from './names.js';

/** B, T and C of a tensor. */
export function extentOf({ shape: [batch, time, channels] }: TensorInfo): Extent {
  return { batch, time, channels };
}

/** The inputs `dmixed0`, `dmixed1`, …, as many as there are mixes. */
export function mixedOf(
  inputs: Readonly<Record<string, TensorInfo>>,
  count: number,
): readonly TensorInfo[] {
  return Array.from({ length: count }, (_, mix) => inputs[`dmixed${mix}`]);
}

/** The kernels on the loops of {@link ./loops.ts}; outputs are made before an array is asked for. */
export const BACKWARD_PLAIN_KERNELS: ReadonlyMap<string, Run<Memory>> = new Map([
  kernel<Memory>(names.LAYER_NORM_BACKWARD, (inputs, { epsilon }, { floats, output }) => {
    const { x, gamma, dy } = inputs;
    const outs = [x, gamma, gamma].map(({ shape }) => output(shape));
    const [dx, dgamma, dbeta] = outs.map(floats);
    loops.layerNormBackward(
      ...([floats(x), floats(gamma), epsilon as number, floats(dy)] as const),
      ...([dx, dgamma, dbeta] as const),
    );
    return outs;
  }),

  kernel(names.TOKEN_MIX_BACKWARD, (inputs, { epsilon }, { floats, output }) => {
    const { x, gamma, beta, mixes } = inputs;
    const dmixed = mixedOf(inputs, mixes.shape[0]);
    const outs = [x, gamma, gamma, mixes].map(({ shape }) => output(shape));
    const [dx, dgamma, dbeta, dmixes] = outs.map(floats);
    loops.tokenMixBackward(
      ...([floats(x), floats(gamma), floats(beta), epsilon as number] as const),
      ...([floats(mixes), dmixed.map(floats), extentOf(x)] as const),
      ...([dx, dgamma, dbeta, dmixes] as const),
    );
    return outs;
  }),

  kernel(names.WKV_BACKWARD, ({ k, v, r, decay, first, dout }, _attrs, { floats, output }) => {
    const outs = [k, v, r, decay, first].map(({ shape }) => output(shape));
    const [keys, values, gates, w, u, dy] = [k, v, r, decay, first, dout].map(floats);
    const [dk, dv, dr, ddecay, dfirst] = outs.map(floats);
    const extent = extentOf(k);
    loops.wkvBackward(keys, values, gates, w, u, dy, extent, dk, dv, dr, ddecay, dfirst);
    return outs;
  }),

  kernel(names.SPIKES_BACKWARD, (inputs, _attrs, { floats, output }) => {
    const { x, dout } = inputs;
    const gate = inputs['gate'] as TensorInfo | undefined;
    const dx = output(x.shape);
    const dgate = gate && output(x.shape);
    const [open, dopen] = [gate && floats(gate), dgate && floats(dgate)];
    loops.spikesBackward(floats(x), open, floats(dout), extentOf(x), floats(dx), dopen);
    return dgate ? [dx, dgate] : [dx];
  }),

  kernel(names.SQUARED_RELU_BACKWARD, ({ x, dy }, _attrs, { floats, output }) => {
    const dx = output(x.shape);
    loops.squaredReluBackward(floats(x), floats(dy), floats(dx));
    return dx;
  }),

  kernel(names.NLL_BACKWARD, (inputs, { pull }, { floats, integers, output }) => {
    const { logits, targets, weights } = inputs;
    const [nll, dlogits] = [output(targets.shape), output(logits.shape)];
    loops.nllBackward(
      ...([floats(logits), integers(targets), floats(weights), pull as number] as const),
      ...([floats(nll), floats(dlogits)] as const),
    );
    return [nll, dlogits];
  }),

  kernel(names.MASKED_MEAN_BACKWARD, ({ dy, lengths }, { time }, { floats, integers, output }) => {
    const [batch, channels] = dy.shape;
    const dx = output([batch, time as number, channels]);
    loops.maskedMeanBackward(floats(dy), integers(lengths), extentOf(dx), floats(dx));
    return dx;
  }),
]);
