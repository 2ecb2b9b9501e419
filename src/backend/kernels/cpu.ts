import { registerKernel, type KernelConfig, type TensorInfo } from '@tensorflow/tfjs-core';
import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as loops from './loops.js';
import * as names from './names.js';

/** Input values of a kernel, by input name, on the `cpu` backend. */
function floats(backend: MathBackendCPU, tensor: TensorInfo): Float32Array {
  return backend.data.get(tensor.dataId).values as Float32Array;
}

function extentOf(tensor: TensorInfo): loops.Extent {
  const [batch, time, channels] = tensor.shape;
  return { batch, time, channels };
}

type Run = (
  inputs: Readonly<Record<string, TensorInfo>>,
  attrs: Readonly<Record<string, unknown>>,
  backend: MathBackendCPU,
) => TensorInfo | TensorInfo[];

function kernel(kernelName: string, run: Run): KernelConfig {
  return {
    kernelName,
    backendName: 'cpu',
    kernelFunc: ({ inputs, attrs, backend }) =>
      run(
        inputs as Readonly<Record<string, TensorInfo>>,
        attrs as Readonly<Record<string, unknown>>,
        backend as MathBackendCPU,
      ),
  };
}

/** A new output with the array the kernel fills. */
function output(backend: MathBackendCPU, shape: readonly number[]): [TensorInfo, Float32Array] {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  return [backend.makeTensorInfo([...shape], 'float32', values), values];
}

const KERNELS: readonly KernelConfig[] = [
  kernel(names.GATHER_ROWS, ({ table, indices }, _attrs, backend) => {
    const [out, values] = output(backend, [indices.shape[0], table.shape[1]]);
    const rows = backend.data.get(indices.dataId).values as Int32Array;
    loops.gatherRows(floats(backend, table), rows, values);
    return out;
  }),

  kernel(names.LAYER_NORM, ({ x, gamma, beta }, { epsilon }, backend) => {
    const [out, values] = output(backend, x.shape);
    const [input, scale, offset] = [x, gamma, beta].map((tensor) => floats(backend, tensor));
    loops.layerNorm(input, scale, offset, epsilon as number, values);
    return out;
  }),

  kernel(names.TOKEN_MIX, ({ x, gamma, beta, mixes, shift }, { epsilon }, backend) => {
    const outs = Array.from({ length: mixes.shape[0] }, () => output(backend, x.shape));
    const [last, lastValues] = output(backend, shift.shape);
    loops.tokenMix(
      floats(backend, x),
      floats(backend, gamma),
      floats(backend, beta),
      epsilon as number,
      floats(backend, mixes),
      floats(backend, shift),
      extentOf(x),
      outs.map(([, values]) => values),
      lastValues,
    );
    return [...outs.map(([info]) => info), last];
  }),

  kernel(names.WKV, ({ k, v, r, decay, first, state }, _attrs, backend) => {
    const [out, values] = output(backend, k.shape);
    const [after, afterValues] = output(backend, state.shape);
    const [keys, vals, gates, w, u, before] = [k, v, r, decay, first, state].map((tensor) =>
      floats(backend, tensor),
    );
    loops.wkv(keys, vals, gates, w, u, before, extentOf(k), values, afterValues);
    return [out, after];
  }),

  kernel(names.SPIKING_RESIDUAL, (inputs, { withSpikes }, backend) => {
    const { x, residual, membrane } = inputs;
    const gate = inputs['gate'] as TensorInfo | undefined;
    const [out, values] = output(backend, x.shape);
    const [after, afterValues] = output(backend, membrane.shape);
    const spikes = withSpikes === true ? output(backend, x.shape) : undefined;
    loops.spikingResidual(
      floats(backend, x),
      gate && floats(backend, gate),
      floats(backend, residual),
      floats(backend, membrane),
      extentOf(x),
      values,
      spikes?.[1],
      afterValues,
    );
    return spikes ? [out, after, spikes[0]] : [out, after];
  }),

  kernel(names.SQUARED_RELU_MATMUL, ({ x, weights }, _attrs, backend) => {
    const [hidden, channels] = weights.shape;
    const [out, values] = output(backend, [...x.shape.slice(0, -1), channels]);
    loops.squaredReluMatMul(floats(backend, x), floats(backend, weights), hidden, values);
    return out;
  }),

  kernel(names.TOKEN_NLL, ({ logits, targets }, _attrs, backend) => {
    const [out, values] = output(backend, targets.shape);
    const targetIds = backend.data.get(targets.dataId).values as Int32Array;
    loops.tokenNll(floats(backend, logits), targetIds, values);
    return out;
  }),

  kernel(names.MASKED_MEAN, ({ x, lengths }, _attrs, backend) => {
    const [out, values] = output(backend, [x.shape[0], x.shape[2]]);
    const real = backend.data.get(lengths.dataId).values as Int32Array;
    loops.maskedMean(floats(backend, x), real, extentOf(x), values);
    return out;
  }),
];

/** Registers the loops of {@link ./loops.ts} with the `cpu` backend. */
export function registerCpuKernels(): void {
  KERNELS.forEach(registerKernel);
}
