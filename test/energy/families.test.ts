import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { LAYER_NORM, MAT_MUL } from '../../src/backend/kernels/names.js';
import * as steps from '../../src/backend/kernels/steps/names.js';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { countOperations } from '../../src/energy/operations.js';
import type { ScalarOperations } from '../../src/layout/operations.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { FAMILY_TOYS, resized, saveFamilyToy } from '../families/toys.js';
import { someTokens } from '../support/toy.js';

/** What the kernels did while a model ran, counted from the tensors that they were given. */
interface Done {
  macs: number;
  /** Rows that were normalized. */
  norms: number;
  /** Neurons times steps, and the multiplications that their memory and scale are. */
  fired: number;
  multiplied: number;
  /** Values that went through GELU. */
  activated: number;
  /** Pairs of positions of a head at a step. */
  scores: number;
}

type Shapes = Readonly<Record<string, tf.TensorInfo | undefined>>;
type Attributes = Readonly<Record<string, number | boolean | undefined>>;
type Count = (done: Done, inputs: Shapes, out: number, attrs: Attributes) => void;

const sizeOf = (shape: readonly number[]): number => tf.util.sizeFromShape([...shape]);
const rowsOf = ({ shape }: tf.TensorInfo): number => sizeOf(shape.slice(0, -1));

const product: Count = (done, { x, weights }) => {
  done.macs += rowsOf(x!) * sizeOf(weights!.shape);
};

const COUNTS: Readonly<Record<string, Count>> = {
  [MAT_MUL]: product,
  [steps.SPIKE_MAT_MUL]: product,
  [LAYER_NORM]: (done, { x }) => {
    done.norms += rowsOf(x!);
  },
  [steps.ADD_NORM]: (done, { x }) => {
    done.norms += rowsOf(x!);
  },
  [steps.LIF_STEPS]: (done, { x }, out, { normed, scale }) => {
    if (normed === true) done.norms += rowsOf(x!);
    done.fired += out;
    done.multiplied += scale === 1 ? out : 2 * out;
  },
  [steps.INTEGRATE_FIRE]: (done, _inputs, out) => {
    done.fired += out;
  },
  [steps.TERNARY_STEPS]: (done, _inputs, out, { remembers }) => {
    done.fired += out;
    if (remembers === true) done.multiplied += 2 * out;
  },
  [steps.BIAS_GELU]: (done, _inputs, out) => {
    done.activated += out;
  },
  [steps.SOFTMAX_ATTENTION]: (done, { q }, _out, { heads }) => {
    const [batch, time, positions] = q!.shape;
    done.scores += batch * time * (heads as number) * positions ** 2;
  },
};

/** Runs `work` with a counter before each kernel. */
async function counted(work: () => Promise<unknown>): Promise<Done> {
  const done: Done = { macs: 0, norms: 0, fired: 0, multiplied: 0, activated: 0, scores: 0 };
  const backend = tf.getBackend();
  const own = Object.keys(COUNTS).map((name) => tf.getKernel(name, backend));
  for (const kernel of own) {
    tf.unregisterKernel(kernel.kernelName, backend);
    tf.registerKernel({
      ...kernel,
      kernelFunc: (params) => {
        const found = kernel.kernelFunc(params);
        const [out] = [found].flat();
        const { inputs, attrs } = params;
        COUNTS[kernel.kernelName](done, inputs, sizeOf(out.shape), (attrs ?? {}) as Attributes);
        return found;
      },
    });
  }
  try {
    await work();
  } finally {
    for (const kernel of own) {
      tf.unregisterKernel(kernel.kernelName, backend);
      tf.registerKernel(kernel);
    }
  }
  return done;
}

/** Parts of the neurons, by family. */
const NEURONS = ['LIF', 'IF', 'ternary neurons'];

describe('energy: operations of families in time steps', () => {
  const at = temporaryFolder();

  for (const toy of FAMILY_TOYS)
    for (const timeSteps of [3, 30])
      it(`are those that the kernels of ${toy.family.title} are given, in ${timeSteps} steps`, async () => {
        await startBackend('wasm');
        const time = 6;
        const sized = resized(toy, { timeSteps, contextLength: time });
        const path = await saveFamilyToy(at(`${toy.family.id}-${timeSteps}.safetensors`), sized);
        const checkpoint = await openCheckpoint(path);
        const model = await LoadedModel.load(checkpoint);
        await checkpoint.close();
        const ids = someTokens(1, time, sized.config.vocabSize);
        const [pooling] = toy.family.tokens(sized.config).poolings;
        const done = await counted(() =>
          model.classLogits({ ids, batch: 1, time }, Int32Array.of(time), pooling),
        );
        model.dispose();
        const { macs, elementwise } = countOperations(model.description, { sentenceTokens: time });
        const sumOf = (kind: keyof ScalarOperations, parts: readonly string[]): number =>
          elementwise
            .filter(([part]) => parts.includes(part))
            .reduce((sum, [, operations]) => sum + time * operations[kind], 0);
        const close = (value: number, expected: number, what: string): void => {
          assert.ok(Math.abs(value - expected) < 1e-6, `${what}: ${value}, not ${expected}`);
        };
        close(time * macs, done.macs, 'multiply–accumulates');
        const thresholds = toy.family.id === 'spikelm' ? 2 : 1;
        close(sumOf('comparisons', NEURONS), thresholds * done.fired, 'thresholds');
        close(sumOf('multiplications', NEURONS), done.multiplied, 'membranes');
        close(sumOf('divisions', ['layer norm', 'embedding']), done.norms, 'norms');
        close(sumOf('functions', ['GELU']), done.activated, 'GELU');
        close(sumOf('functions', ['attention']), done.scores, 'attention');
      });
});
