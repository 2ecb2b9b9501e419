import type { TensorInfo } from '@tensorflow/tfjs-core';
import { LANES, type HeapMemory } from '../heap.js';
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
  ];
}
