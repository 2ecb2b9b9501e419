import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { BACKWARD_WASM_KERNELS } from './backward/wasm.js';
import {
  inLanes,
  memoryIn,
  memoryOf,
  nllOfTerms,
  refuseNull,
  sizeOf,
  type HeapMemory,
} from './heap.js';
import * as names from './names.js';
import { PACKED_WASM_KERNELS } from './packed/wasm.js';
import * as plain from './plain.js';
import { STEP_WASM_KERNELS } from './steps/wasm.js';
import { loadSpikingModule, type Arithmetic, type SpikingModule } from './wasm-module.js';

function kernels(spiking: SpikingModule): readonly plain.Kernel<HeapMemory>[] {
  return [
    plain.kernel(names.GATHER_ROWS, ({ table, indices }, _attrs, { at, output }) => {
      const [rows, channels] = [indices.shape[0], table.shape[1]];
      const out = output([rows, channels]);
      const [tableAt, indicesAt, outAt] = at(table, indices, out);
      spiking.gatherRows(tableAt, indicesAt, rows, channels, outAt);
      return out;
    }),

    inLanes(names.LAYER_NORM, 'x', ({ x, gamma, beta }, { epsilon }, { at, output }) => {
      const out = output(x.shape);
      const [xAt, gammaAt, betaAt, outAt] = at(x, gamma, beta, out);
      const [rows, channels] = [sizeOf(x.shape.slice(0, -1)), gamma.shape[0]];
      spiking.layerNorm(xAt, gammaAt, betaAt, epsilon as number, rows, channels, outAt);
      return out;
    }),

    inLanes(names.TOKEN_MIX, 'x', (inputs, { epsilon }, { at, output, release }) => {
      const { x, gamma, beta, mixes, shift } = inputs;
      const outs = Array.from({ length: mixes.shape[0] }, () => output(x.shape));
      const last = output(shift.shape);
      const rows = output([2, x.shape[2]]);
      spiking.tokenMix(
        ...at(x, gamma, beta),
        epsilon as number,
        ...at(mixes, shift),
        ...x.shape,
        outs.length,
        ...at(outs[0], outs[1], outs[2], last, rows),
      );
      release(rows);
      return [...outs, last];
    }),

    inLanes(names.WKV, 'k', (inputs, _attrs, { at, output, release }) => {
      const { k, v, r, decay, first, state } = inputs;
      const [out, after] = [output(k.shape), output(state.shape)];
      const channels = k.shape[2];
      const rates = output([channels]);
      const [decayAt, ratesAt, outAt, afterAt] = at(decay, rates, out, after);
      spiking.exponentials(decayAt, channels, ratesAt);
      spiking.wkv(...at(k, v, r, rates, first, state), ...k.shape, outAt, afterAt);
      release(rates);
      return [out, after];
    }),

    inLanes(names.SPIKING_RESIDUAL, 'x', (inputs, { withSpikes }, { at, output }) => {
      const { x, gate, residual, membrane } = inputs;
      const [out, after] = [output(x.shape), output(membrane.shape)];
      const spikes = withSpikes === true ? output(x.shape) : undefined;
      const read = at(x, gate, residual, membrane);
      spiking.spikingResidual(...read, ...x.shape, ...at(out, spikes, after));
      return spikes ? [out, after, spikes] : [out, after];
    }),

    inLanes(names.SQUARED_RELU_MATMUL, 'weights', ({ x, weights }, _attrs, memory) => {
      const { at, output, scratch, release } = memory;
      const [hidden, channels] = weights.shape;
      const rows = x.shape.slice(0, -1);
      const out = output([...rows, channels]);
      const room = scratch(spiking.squaredReluMatMulScratch(hidden, channels));
      const [xAt, weightsAt, outAt, roomAt] = at(x, weights, out, room);
      spiking.squaredReluMatMul(xAt, weightsAt, sizeOf(rows), hidden, channels, outAt, roomAt);
      release(room);
      return out;
    }),

    plain.kernel(names.MAT_MUL, ({ x, weights }, _attrs, { at, output, scratch, release }) => {
      const [rows, inner] = x.shape;
      const columns = weights.shape[1];
      const out = output([rows, columns]);
      const room = scratch(spiking.matMulScratch(inner));
      const [xAt, weightsAt, outAt, roomAt] = at(x, weights, out, room);
      spiking.matMul(xAt, weightsAt, rows, inner, columns, outAt, roomAt);
      release(room);
      return out;
    }),

    plain.kernel(names.HEAD_NLL, ({ x, weights, targets }, _attrs, memory) => {
      const { at, output, scratch, release } = memory;
      const [rows, inner] = x.shape;
      const out = output([rows]);
      // Two float64 a row; a float32 tensor of four values a row has the room and the alignment.
      const terms = output([rows, 4]);
      const room = scratch(spiking.matMulScratch(inner));
      const read = at(x, weights, targets);
      spiking.headTerms(...read, rows, inner, weights.shape[1], ...at(terms, room));
      nllOfTerms(memory, terms, out);
      release(terms);
      release(room);
      return out;
    }),

    inLanes(names.MASKED_MEAN, 'x', ({ x, lengths }, _attrs, { at, output }) => {
      const [batch, time, channels] = x.shape;
      const out = output([batch, channels]);
      const [xAt, lengthsAt, outAt] = at(x, lengths, out);
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
  refuseNull(backend);
  const spiking = loadSpikingModule(arithmetic, memoryOf(backend));
  const all = [
    ...kernels(spiking),
    ...STEP_WASM_KERNELS(spiking),
    ...BACKWARD_WASM_KERNELS(spiking),
    ...PACKED_WASM_KERNELS(spiking),
  ];
  plain.registerKernels('wasm', all, memoryIn);
}
