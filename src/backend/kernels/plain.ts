import {
  getKernel,
  registerKernel,
  unregisterKernel,
  type KernelConfig,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import * as loops from './loops.js';
import * as names from './names.js';

/** The memory of a backend: its tensors as arrays, in place, until the next output is made. */
export interface Memory {
  readonly floats: (tensor: TensorInfo) => Float32Array;
  readonly integers: (tensor: TensorInfo) => Int32Array;
  /** A new float32 tensor of a shape. */
  readonly output: (shape: readonly number[]) => TensorInfo;
}

type Inputs = Readonly<Record<string, TensorInfo>>;
type Attributes = Readonly<Record<string, unknown>>;

/** The computation of a kernel from its inputs and attributes, by name. */
export type Run<M> = (inputs: Inputs, attrs: Attributes, memory: M) => TensorInfo | TensorInfo[];

/** A kernel and its name. */
export type Kernel<M> = readonly [name: string, run: Run<M>];

/** A {@link Kernel} from its parts. */
export const kernel = <M>(name: string, run: Run<M>): Kernel<M> => [name, run];

/** Registers kernels with TensorFlow.js, in place of those that a backend had. */
export function registerKernels<M>(
  backendName: string,
  kernels: Iterable<Kernel<M>>,
  memoryIn: (backend: never) => M,
): void {
  for (const [kernelName, run] of kernels) {
    const before = getKernel(kernelName, backendName) as KernelConfig | undefined;
    if (before !== undefined) unregisterKernel(kernelName, backendName);
    registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }) =>
        run(inputs as Inputs, attrs as Attributes, memoryIn(backend as never)),
    });
  }
}

function extentOf({ shape: [batch, time, channels] }: TensorInfo): loops.Extent {
  return { batch, time, channels };
}

/**
 * The kernels on the loops of {@link ./loops.ts}. Each makes its outputs before it asks for an array, because
 * making one can move the memory.
 */
export const PLAIN_KERNELS: ReadonlyMap<string, Run<Memory>> = new Map([
  kernel<Memory>(names.GATHER_ROWS, ({ table, indices }, _attrs, { floats, integers, output }) => {
    const out = output([indices.shape[0], table.shape[1]]);
    loops.gatherRows(floats(table), integers(indices), floats(out));
    return out;
  }),

  kernel(names.LAYER_NORM, ({ x, gamma, beta }, { epsilon }, { floats, output }) => {
    const out = output(x.shape);
    loops.layerNorm(floats(x), floats(gamma), floats(beta), epsilon as number, floats(out));
    return out;
  }),

  kernel(names.TOKEN_MIX, (inputs, { epsilon }, { floats, output }) => {
    const { x, gamma, beta, mixes, shift } = inputs;
    const outs = Array.from({ length: mixes.shape[0] }, () => output(x.shape));
    const last = output(shift.shape);
    loops.tokenMix(
      floats(x),
      floats(gamma),
      floats(beta),
      epsilon as number,
      floats(mixes),
      floats(shift),
      extentOf(x),
      outs.map(floats),
      floats(last),
    );
    return [...outs, last];
  }),

  kernel(names.WKV, ({ k, v, r, decay, first, state }, _attrs, { floats, output }) => {
    const [out, after] = [output(k.shape), output(state.shape)];
    const [keys, values, gates, w, u, before] = [k, v, r, decay, first, state].map(floats);
    loops.wkv(keys, values, gates, w, u, before, extentOf(k), floats(out), floats(after));
    return [out, after];
  }),

  kernel(names.SPIKING_RESIDUAL, (inputs, { withSpikes }, { floats, output }) => {
    const { x, residual, membrane } = inputs;
    const gate = inputs['gate'] as TensorInfo | undefined;
    const [out, after] = [output(x.shape), output(membrane.shape)];
    const spikes = withSpikes === true ? output(x.shape) : undefined;
    const [open, fired] = [gate && floats(gate), spikes && floats(spikes)];
    const [values, stream, before, result, next] = [x, residual, membrane, out, after].map(floats);
    loops.spikingResidual(values, open, stream, before, extentOf(x), result, fired, next);
    return spikes ? [out, after, spikes] : [out, after];
  }),

  kernel(names.SQUARED_RELU_MATMUL, ({ x, weights }, _attrs, { floats, output }) => {
    const [hidden, channels] = weights.shape;
    const out = output([...x.shape.slice(0, -1), channels]);
    loops.squaredReluMatMul(floats(x), floats(weights), hidden, floats(out).fill(0));
    return out;
  }),

  kernel(names.TOKEN_NLL, ({ logits, targets }, _attrs, { floats, integers, output }) => {
    const out = output(targets.shape);
    loops.tokenNll(floats(logits), integers(targets), floats(out));
    return out;
  }),

  kernel(names.MASKED_MEAN, ({ x, lengths }, _attrs, { floats, integers, output }) => {
    const out = output([x.shape[0], x.shape[2]]);
    loops.maskedMean(floats(x), integers(lengths), extentOf(x), floats(out));
    return out;
  }),
]);
