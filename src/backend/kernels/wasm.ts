import {
  getKernel,
  registerKernel,
  unregisterKernel,
  type KernelConfig,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { BackendError } from '../../util/errors.js';
import * as loops from './loops.js';
import * as names from './names.js';
import { loadSpikingModule, type Arithmetic, type SpikingModule } from './wasm-module.js';

/** Lanes of a 128-bit vector: for widths that are no multiple the plain loops run on the heap. */
const LANES = 4;
const fitsLanes = (channels: number): boolean => channels % LANES === 0;

/**
 * What the kernels need of the TensorFlow.js backend beyond its types: where a tensor lies, and the
 * memory it lies in. Emscripten's module carries its raw exports as `asm`.
 */
interface Heap {
  readonly asm: Readonly<Record<string, unknown>>;
  readonly HEAPF32: Float32Array;
  readonly HEAPU8: Uint8Array;
}

const heapOf = (backend: BackendWasm): Heap => backend.wasm as unknown as Heap;

function addressOf(backend: BackendWasm, tensor: TensorInfo): number {
  const data = backend.dataIdMap.get(tensor.dataId) as unknown as { readonly memoryOffset: number };
  return data.memoryOffset;
}

function view(backend: BackendWasm, tensor: TensorInfo): Float32Array {
  const size = tensor.shape.reduce((product, length) => product * length, 1);
  return new Float32Array(heapOf(backend).HEAPU8.buffer, addressOf(backend, tensor), size);
}

function integers(backend: BackendWasm, tensor: TensorInfo): Int32Array {
  const { buffer, byteOffset, length } = view(backend, tensor);
  return new Int32Array(buffer, byteOffset, length);
}

function memoryOf(backend: BackendWasm): WebAssembly.Memory {
  const memory = Object.values(heapOf(backend).asm).find(
    (value) => value instanceof WebAssembly.Memory,
  );
  if (memory !== undefined) return memory;
  throw new BackendError({
    what: 'the memory of the WebAssembly backend is not reachable',
    where: 'backend wasm',
    expected: '@tensorflow/tfjs-backend-wasm 4.22, whose module exports it',
  });
}

function kernels(spiking: SpikingModule): readonly KernelConfig[] {
  type Run = (
    inputs: Readonly<Record<string, TensorInfo>>,
    attrs: Readonly<Record<string, unknown>>,
    backend: BackendWasm,
  ) => TensorInfo | TensorInfo[];
  const kernel = (kernelName: string, run: Run): KernelConfig => ({
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs, backend }) =>
      run(
        inputs as Readonly<Record<string, TensorInfo>>,
        attrs as Readonly<Record<string, unknown>>,
        backend as BackendWasm,
      ),
  });
  const output = (backend: BackendWasm, shape: readonly number[]): TensorInfo =>
    backend.makeOutput([...shape], 'float32');
  const extentOf = ({ shape: [batch, time, channels] }: TensorInfo): loops.Extent => ({
    batch,
    time,
    channels,
  });

  return [
    kernel(names.GATHER_ROWS, ({ table, indices }, _attrs, backend) => {
      const [rows, channels] = [indices.shape[0], table.shape[1]];
      const out = output(backend, [rows, channels]);
      const [tableAt, indicesAt, outAt] = [table, indices, out].map((t) => addressOf(backend, t));
      spiking.gatherRows(tableAt, indicesAt, rows, channels, outAt);
      return out;
    }),

    kernel(names.LAYER_NORM, ({ x, gamma, beta }, { epsilon }, backend) => {
      const out = output(backend, x.shape);
      const channels = gamma.shape[0];
      if (!fitsLanes(channels)) {
        const [values, scale, offset, result] = [x, gamma, beta, out].map((t) => view(backend, t));
        loops.layerNorm(values, scale, offset, epsilon as number, result);
        return out;
      }
      const [xAt, gammaAt, betaAt, outAt] = [x, gamma, beta, out].map((t) => addressOf(backend, t));
      const rows = x.shape.slice(0, -1).reduce((product, length) => product * length, 1);
      spiking.layerNorm(xAt, gammaAt, betaAt, epsilon as number, rows, channels, outAt);
      return out;
    }),

    kernel(names.TOKEN_MIX, ({ x, gamma, beta, mixes, shift }, { epsilon }, backend) => {
      const extent = extentOf(x);
      const outs = Array.from({ length: mixes.shape[0] }, () => output(backend, x.shape));
      const last = output(backend, shift.shape);
      if (!fitsLanes(extent.channels)) {
        const [values, scale, offset, weights, before, after] = [
          ...[x, gamma, beta, mixes, shift, last],
        ].map((t) => view(backend, t));
        const results = outs.map((t) => view(backend, t));
        loops.tokenMix(
          values, scale, offset, epsilon as number, weights, before, extent, results, after,
        ); // prettier-ignore
        return [...outs, last];
      }
      const rows = output(backend, [2, extent.channels]);
      const at = (tensor: TensorInfo): number => addressOf(backend, tensor);
      const [out0, out1, out2] = [0, 1, 2].map((mix) => (mix < outs.length ? at(outs[mix]) : 0));
      spiking.tokenMix(
        at(x),
        at(gamma),
        at(beta),
        epsilon as number,
        at(mixes),
        at(shift),
        extent.batch,
        extent.time,
        extent.channels,
        outs.length,
        out0,
        out1,
        out2,
        at(last),
        at(rows),
      );
      backend.disposeData(rows.dataId);
      return [...outs, last];
    }),

    kernel(names.WKV, ({ k, v, r, decay, first, state }, _attrs, backend) => {
      const extent = extentOf(k);
      const out = output(backend, k.shape);
      const after = output(backend, state.shape);
      const operands = [k, v, r, decay, first, state];
      if (!fitsLanes(extent.channels)) {
        const [keys, values, gates, w, u, before] = operands.map((t) => view(backend, t));
        const [result, next] = [out, after].map((t) => view(backend, t));
        loops.wkv(keys, values, gates, w, u, before, extent, result, next);
        return [out, after];
      }
      const { batch, time, channels } = extent;
      const rates = output(backend, [channels]);
      const addresses = [k, v, r, rates, first, state].map((t) => addressOf(backend, t));
      const [decayAt, outAt, afterAt] = [decay, out, after].map((t) => addressOf(backend, t));
      spiking.exponentials(decayAt, channels, addressOf(backend, rates));
      spiking.wkv(...addresses, batch, time, channels, outAt, afterAt);
      backend.disposeData(rates.dataId);
      return [out, after];
    }),

    kernel(names.SPIKING_RESIDUAL, (inputs, { withSpikes }, backend) => {
      const { x, residual, membrane } = inputs;
      const gate = inputs['gate'] as TensorInfo | undefined;
      const extent = extentOf(x);
      const out = output(backend, x.shape);
      const after = output(backend, membrane.shape);
      const spikes = withSpikes === true ? output(backend, x.shape) : undefined;
      const outputs = spikes ? [out, after, spikes] : [out, after];
      if (!fitsLanes(extent.channels)) {
        const [values, stream, before, result, next] = [x, residual, membrane, out, after].map(
          (t) => view(backend, t),
        );
        const open = gate && view(backend, gate);
        const fired = spikes && view(backend, spikes);
        loops.spikingResidual(values, open, stream, before, extent, result, fired, next);
        return outputs;
      }
      const at = (tensor: TensorInfo | undefined): number =>
        tensor === undefined ? 0 : addressOf(backend, tensor);
      spiking.spikingResidual(
        at(x),
        at(gate),
        at(residual),
        at(membrane),
        extent.batch,
        extent.time,
        extent.channels,
        at(out),
        at(spikes),
        at(after),
      );
      return outputs;
    }),

    kernel(names.SQUARED_RELU_MATMUL, ({ x, weights }, _attrs, backend) => {
      const [hidden, channels] = weights.shape;
      const rows = x.shape.slice(0, -1).reduce((product, length) => product * length, 1);
      const out = output(backend, [...x.shape.slice(0, -1), channels]);
      if (!fitsLanes(channels)) {
        const result = view(backend, out).fill(0);
        loops.squaredReluMatMul(view(backend, x), view(backend, weights), hidden, result);
        return out;
      }
      const bytes = spiking.squaredReluMatMulScratch(hidden, channels);
      const scratch = output(backend, [Math.ceil(bytes / 4)]);
      const [xAt, weightsAt, outAt, scratchAt] = [x, weights, out, scratch].map((t) =>
        addressOf(backend, t),
      );
      spiking.squaredReluMatMul(xAt, weightsAt, rows, hidden, channels, outAt, scratchAt);
      backend.disposeData(scratch.dataId);
      return out;
    }),

    kernel(names.MAT_MUL, ({ x, weights }, _attrs, backend) => {
      const [rows, inner] = x.shape;
      const columns = weights.shape[1];
      const out = output(backend, [rows, columns]);
      const scratch = output(backend, [Math.ceil(spiking.matMulScratch(inner) / 4)]);
      const [xAt, weightsAt, outAt, scratchAt] = [x, weights, out, scratch].map((t) =>
        addressOf(backend, t),
      );
      spiking.matMul(xAt, weightsAt, rows, inner, columns, outAt, scratchAt);
      backend.disposeData(scratch.dataId);
      return out;
    }),

    kernel(names.HEAD_NLL, ({ x, weights, targets }, _attrs, backend) => {
      const [rows, inner] = x.shape;
      const out = output(backend, [rows]);
      // Two float64 a row; a float32 tensor of four values a row has the room and the alignment.
      const terms = output(backend, [rows, 4]);
      const scratch = output(backend, [Math.ceil(spiking.matMulScratch(inner) / 4)]);
      const [xAt, weightsAt, targetsAt, termsAt, scratchAt] = [
        ...[x, weights, targets, terms, scratch],
      ].map((t) => addressOf(backend, t));
      spiking.headTerms(
        xAt,
        weightsAt,
        targetsAt,
        rows,
        inner,
        weights.shape[1],
        termsAt,
        scratchAt,
      );
      const pairs = new Float64Array(heapOf(backend).HEAPU8.buffer, termsAt, rows * 2);
      const nll = view(backend, out);
      for (let row = 0; row < rows; row++) nll[row] = Math.log(pairs[2 * row]) - pairs[2 * row + 1];
      backend.disposeData(terms.dataId);
      backend.disposeData(scratch.dataId);
      return out;
    }),

    kernel(names.MASKED_MEAN, ({ x, lengths }, _attrs, backend) => {
      const extent = extentOf(x);
      const { batch, time, channels } = extent;
      const out = output(backend, [batch, channels]);
      if (!fitsLanes(channels)) {
        loops.maskedMean(view(backend, x), integers(backend, lengths), extent, view(backend, out));
        return out;
      }
      const [xAt, lengthsAt, outAt] = [x, lengths, out].map((t) => addressOf(backend, t));
      spiking.maskedMean(xAt, lengthsAt, batch, time, channels, outAt);
      return out;
    }),
  ];
}

/**
 * Compiles the spiking kernels into the memory of the running `wasm` backend and registers them, in place
 * of those that were: they read and write its tensors in place, without copies.
 *
 * @throws {BackendError} when they are not built, or the backend's memory cannot be reached.
 */
export function registerWasmKernels(backend: BackendWasm, arithmetic: Arithmetic): void {
  const spiking = loadSpikingModule(arithmetic, memoryOf(backend));
  for (const config of kernels(spiking)) {
    const { kernelName, backendName } = config;
    const before = getKernel(kernelName, backendName) as KernelConfig | undefined;
    if (before !== undefined) unregisterKernel(kernelName, backendName);
    registerKernel(config);
  }
}
