import type { TensorInfo } from '@tensorflow/tfjs-core';
import { LANES, sizeOf, type HeapMemory } from '../heap.js';
import { kernel, type Kernel, type Run } from '../plain.js';
import type { SpikingModule } from '../wasm-module.js';
import * as names from './names.js';
import { extentOf, shapeOf, STEP_PLAIN_KERNELS } from './plain.js';

/** A kernel for vectors along `width` of its inputs; where they do not fill, the plain loops run. */
function inVectors(
  name: string,
  width: (...args: Parameters<Run<HeapMemory>>) => number,
  run: Run<HeapMemory>,
): Kernel<HeapMemory> {
  const loops = STEP_PLAIN_KERNELS.get(name)!;
  return kernel(name, (...args) => (width(...args) % LANES === 0 ? run : loops)(...args));
}

const channels: Run<HeapMemory> extends (...args: infer Args) => unknown
  ? (...args: Args) => number
  : never = ({ x }) => x.shape.at(-1)!;

/** Every so many values are looked at for the share that spikes: a prime, so that no channel is alone. */
const STRIDE = 61;
/**
 * Share of spikes below which passing over zeros is faster: 38 ms dense and 35 at a half, 26 at 0.3, 11 at a tenth for
 * 1,536 rows of 768 by 768; for 3,072 inner ones 149 and 161, 122, 76.
 */
const SPARSE = 0.4;

/** Share of values that are not 0, from a part of them. */
function shareOfSpikes(values: Float32Array): number {
  let [spikes, seen] = [0, 0];
  for (let at = 0; at < values.length; at += STRIDE, seen++) if (values[at] !== 0) spikes++;
  return spikes / seen;
}

/** The kernels of networks in time steps, on the heap. */
export function STEP_WASM_KERNELS(spiking: SpikingModule): readonly Kernel<HeapMemory>[] {
  return [
    inVectors(names.LIF_STEPS, channels, (inputs, attrs, { at, output, release }) => {
      const { x, bias, gamma, beta } = inputs;
      const residual = inputs['residual'] as TensorInfo | undefined;
      const extent = extentOf(x, attrs['steps'] as number);
      const { batch, steps, positions, channels } = extent;
      const out = output(shapeOf(extent));
      const apart = residual && attrs['withSpikes'] === true ? output(shapeOf(extent)) : undefined;
      const rows = output([2, channels]);
      spiking.lifSteps(
        ...at(x, bias, gamma, beta, residual),
        ...[batch, x.shape[1], residual?.shape[1] ?? 1, steps, positions, channels],
        ...['epsilon', 'tau', 'threshold', 'scale'].map((name) => attrs[name] as number),
        ...at(out, apart, rows),
      );
      release(rows);
      return apart ? [out, apart] : [out];
    }),

    inVectors(
      names.SPIKE_ATTENTION,
      ({ q }, { heads }) => q.shape[3] / (heads as number),
      ({ q, k, v, weights }, { heads }, { at, output, release }) => {
        const [, , , channels] = q.shape;
        const width = channels / (heads as number);
        const out = output(q.shape);
        const sums = output([width, width]);
        spiking.spikeAttention(...at(q, k, v, weights), ...q.shape, width, ...at(out, sums));
        release(sums);
        return out;
      },
    ),

    kernel(names.SPIKE_MAT_MUL, ({ x, weights }, _attrs, memory) => {
      const { at, floats, output, scratch, release } = memory;
      const [rows, inner] = x.shape;
      const [, columns] = weights.shape;
      const out = output([rows, columns]);
      // Either way each sum is made in the order of the inner dimension: the share decides the time alone.
      const skips = columns % LANES === 0 && shareOfSpikes(floats(x)) < SPARSE;
      if (skips) {
        const room = scratch(spiking.squaredReluMatMulScratch(inner, columns));
        const [xAt, weightsAt, outAt, roomAt] = at(x, weights, out, room);
        spiking.sparseMatMul(xAt, weightsAt, rows, inner, columns, outAt, roomAt);
        release(room);
        return out;
      }
      const room = scratch(spiking.matMulScratch(inner));
      const [xAt, weightsAt, outAt, roomAt] = at(x, weights, out, room);
      spiking.matMul(xAt, weightsAt, rows, inner, columns, outAt, roomAt);
      release(room);
      return out;
    }),

    inVectors(names.TERNARY_STEPS, channels, (inputs, { remembers }, { at, output, release }) => {
      const { x, amplitudes } = inputs;
      const bias = inputs['bias'] as TensorInfo | undefined;
      const extent = extentOf(x, amplitudes.shape[0]);
      const out = output(shapeOf(extent));
      const row = output([extent.channels]);
      spiking.ternarySteps(
        ...at(x, bias, amplitudes),
        remembers === true ? 1 : 0,
        ...[extent.batch, x.shape[1], extent.steps, extent.positions, extent.channels],
        ...[names.TERNARY_DECAY, names.LEAST_AMPLITUDE],
        ...at(out, row),
      );
      release(row);
      return out;
    }),

    inVectors(
      names.SOFTMAX_ATTENTION,
      ({ q }, { heads }) => q.shape[3] / (heads as number),
      ({ q, bias, k, v, lengths }, { heads }, { at, output, release }) => {
        const [, , positions, channels] = q.shape;
        const width = channels / (heads as number);
        const out = output(q.shape);
        // Keys turned, in whole vectors of positions; a row of scores.
        const columns = LANES * Math.ceil(positions / LANES);
        const room = output([width + 1, columns]);
        const read = at(q, bias, k, v, lengths);
        spiking.softmaxAttention(...read, ...q.shape, width, columns, ...at(out, room));
        release(room);
        return out;
      },
    ),

    inVectors(names.BIAS_GELU, channels, ({ x, bias }, _attrs, { at, output }) => {
      const out = output(x.shape);
      const [rows, width] = [sizeOf(x.shape.slice(0, -1)), bias.shape[0]];
      spiking.biasGelu(...at(x, bias), rows, width, ...at(out));
      return out;
    }),

    inVectors(names.ADD_NORM, channels, (inputs, { epsilon }, { at, output }) => {
      const { x, residual, bias, gamma, beta } = inputs;
      const out = output(x.shape);
      spiking.addNorm(
        ...at(x, residual, bias, gamma, beta),
        ...[x.shape[0], residual.shape[1], ...x.shape.slice(1)],
        epsilon as number,
        ...at(out),
      );
      return out;
    }),

    inVectors(names.INTEGRATE_FIRE, channels, (inputs, { threshold }, { at, output }) => {
      const { x, membrane } = inputs;
      const bias = inputs['bias'] as TensorInfo | undefined;
      const [out, after] = [output(x.shape), output(membrane.shape)];
      const read = at(x, bias, membrane);
      spiking.integrateFire(...read, ...x.shape, threshold as number, ...at(out, after));
      return [out, after];
    }),

    inVectors(
      names.PACK_STEPS,
      ({ spikes }) => spikes.shape[3],
      ({ spikes }, _attrs, { at, output }) => {
        const extent = extentOf(spikes);
        const out = output(shapeOf({ ...extent, steps: 1 }));
        spiking.packSteps(...at(spikes), ...spikes.shape, ...at(out));
        return out;
      },
    ),

    inVectors(
      names.UNPACK_STEPS,
      ({ words }) => words.shape[3],
      ({ words }, { steps }, { at, output }) => {
        const extent = extentOf(words, steps as number);
        const out = output(shapeOf(extent));
        spiking.unpackSteps(...at(words), ...out.shape, ...at(out));
        return out;
      },
    ),
  ];
}
