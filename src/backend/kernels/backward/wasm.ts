import type { TensorInfo } from '@tensorflow/tfjs-core';
import { LANES, sizeOf, type HeapMemory } from '../heap.js';
import { kernel, type Kernel, type Run } from '../plain.js';
import type { SpikingModule } from '../wasm-module.js';
import * as names from './names.js';
import { BACKWARD_PLAIN_KERNELS, mixedOf } from './plain.js';

/** A kernel for vectors along the last axis of input `wide`; where they do not fill, the plain loops run. */
function inVectors(name: string, wide: string, run: Run<HeapMemory>): Kernel<HeapMemory> {
  const loops = BACKWARD_PLAIN_KERNELS.get(name)!;
  return kernel(name, (inputs, attrs, memory) =>
    (inputs[wide].shape.at(-1)! % LANES === 0 ? run : loops)(inputs, attrs, memory),
  );
}

/** The kernels of gradients on the heap. */
export function BACKWARD_WASM_KERNELS(spiking: SpikingModule): readonly Kernel<HeapMemory>[] {
  return [
    inVectors(names.LAYER_NORM_BACKWARD, 'x', (inputs, { epsilon }, memory) => {
      const { at, output, release } = memory;
      const { x, gamma, dy } = inputs;
      const outs = [x, gamma, gamma].map(({ shape }) => output(shape));
      const normed = output(gamma.shape);
      const [rows, channels] = [sizeOf(x.shape.slice(0, -1)), gamma.shape[0]];
      const read = at(x, gamma, dy);
      spiking.layerNormBackward(...read, epsilon as number, rows, channels, ...at(...outs, normed));
      release(normed);
      return outs;
    }),

    inVectors(names.TOKEN_MIX_BACKWARD, 'x', (inputs, { epsilon }, memory) => {
      const { at, output, release } = memory;
      const { x, gamma, beta, mixes } = inputs;
      const dmixed: readonly (TensorInfo | undefined)[] = mixedOf(inputs, mixes.shape[0]);
      const outs = [x, gamma, gamma, mixes].map(({ shape }) => output(shape));
      const rows = output([3, x.shape[2]]);
      spiking.tokenMixBackward(
        ...at(x, gamma, beta, mixes),
        epsilon as number,
        ...x.shape,
        dmixed.length,
        ...at(dmixed[0], dmixed[1], dmixed[2], ...outs, rows),
      );
      release(rows);
      return outs;
    }),

    inVectors(names.WKV_BACKWARD, 'k', (inputs, _attrs, { at, output, release }) => {
      const { k, v, r, decay, first, dout } = inputs;
      const [, time, channels] = k.shape;
      const outs = [k, v, r, decay, first].map(({ shape }) => output(shape));
      const [rates, going] = [output([channels]), output([3, channels])];
      const states = output([time, 3, channels]);
      const [decayAt, ratesAt] = at(decay, rates);
      spiking.exponentials(decayAt, channels, ratesAt);
      const read = at(k, v, r, rates, first, dout);
      spiking.wkvBackward(...read, ...k.shape, ...at(...outs, states, going));
      for (const scratch of [rates, going, states]) release(scratch);
      return outs;
    }),

    inVectors(names.SPIKES_BACKWARD, 'x', (inputs, _attrs, { at, output, release }) => {
      const { x, dout } = inputs;
      const gate = inputs['gate'] as TensorInfo | undefined;
      const dx = output(x.shape);
      const dgate = gate && output(x.shape);
      const charges = output([x.shape[1] + 1, x.shape[2]]);
      spiking.spikesBackward(...at(x, gate, dout), ...x.shape, ...at(dx, dgate, charges));
      release(charges);
      return dgate ? [dx, dgate] : [dx];
    }),

    inVectors(names.SQUARED_RELU_BACKWARD, 'x', ({ x, dy }, _attrs, { at, output }) => {
      const dx = output(x.shape);
      spiking.squaredReluBackward(...at(x, dy), sizeOf(x.shape), ...at(dx));
      return dx;
    }),

    inVectors(names.NLL_BACKWARD, 'logits', (inputs, { pull }, memory) => {
      const { at, floats, output, release } = memory;
      const { logits, targets, weights } = inputs;
      const [rows] = logits.shape;
      const [nll, dlogits] = [output([rows]), output(logits.shape)];
      // Two float64 a row; a float32 tensor of four values a row has the room and the alignment.
      const terms = output([rows, 4]);
      const read = at(logits, targets, weights);
      spiking.nllBackward(...read, pull as number, ...logits.shape, ...at(dlogits, terms));
      const { buffer, byteOffset } = floats(terms);
      const pairs = new Float64Array(buffer, byteOffset, rows * 2);
      const values = floats(nll);
      for (let row = 0; row < rows; row++)
        values[row] = Math.log(pairs[2 * row]) - pairs[2 * row + 1];
      release(terms);
      return [nll, dlogits];
    }),

    kernel(names.SQUARED_RELU_MATMUL_BACKWARD, ({ x, dy, weights }, _attrs, memory) => {
      const { at, output, scratch, release } = memory;
      const [rows, hidden] = x.shape;
      const dx = output(x.shape);
      // Its last numbers are written before it is known whether they are kept.
      const list = scratch(4 * (hidden + LANES));
      const operands = at(x, dy, weights);
      const places = at(dx, list);
      spiking.squaredReluMatMulBackward(...operands, rows, hidden, dy.shape[1], ...places);
      release(list);
      return dx;
    }),

    // Of whole vectors: see ops.ts.
    kernel(names.SPARSE_MATMUL, ({ x, weights }, _attrs, { at, output, scratch, release }) => {
      const [hidden, channels] = weights.shape;
      const [rows] = x.shape;
      const out = output([rows, channels]);
      const room = scratch(spiking.squaredReluMatMulScratch(hidden, channels));
      const [xAt, weightsAt, outAt, roomAt] = at(x, weights, out, room);
      spiking.sparseMatMul(xAt, weightsAt, rows, hidden, channels, outAt, roomAt);
      release(room);
      return out;
    }),

    kernel(names.TRANSPOSE, ({ x }, _attrs, { at, output }) => {
      const [rows, columns] = x.shape;
      const out = output([columns, rows]);
      const [xAt, outAt] = at(x, out);
      spiking.transpose(xAt, rows, columns, outAt);
      return out;
    }),

    // A copy with a factor, once a batch: the loops are fast enough.
    kernel(names.MASKED_MEAN_BACKWARD, BACKWARD_PLAIN_KERNELS.get(names.MASKED_MEAN_BACKWARD)!),
  ];
}
