import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import { BACKWARD_PLAIN_KERNELS } from '../../src/backend/kernels/backward/plain.js';
import { wasmArithmetic } from '../../src/backend/kernels/wasm-module.js';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { Gradient, Loss } from '../../src/model/family.js';
import { onWasm } from '../backend/support.js';
import { HAS_NATIVE } from '../support/native.js';
import { itShared } from '../support/shared.js';
import { SpikeGPT } from '../support/spikegpt.js';

/** A parameter's gradient in float64: its norm, its sum, and its largest entries with their places. */
interface GoldenGradient {
  readonly norm: number;
  readonly sum: number;
  readonly largestAt: readonly number[];
  readonly largest: readonly number[];
}

interface GoldenGradients {
  readonly name: string;
  readonly checkpoint: string;
  readonly embedding: 'spike' | 'dense';
  readonly tokens: readonly (readonly number[])[];
  readonly lengths?: readonly number[];
  readonly labels?: readonly number[];
  readonly loss: number;
  readonly gradients: Readonly<Record<string, GoldenGradient>>;
}

const CASES = ['spike-emb/lm', 'spike-emb/classes', 'dense-emb/lm', 'ffn-pre/lm'];
const GOLDEN = 'golden/gradients/spikegpt.json';
/** Relative, as the values were made for: of norms, and of entries beside the parameter's largest one. */
const TOLERANCE = 1e-4;

/** Runs without the kernels of gradients, as a backend without kernels of ours does. */
async function composed(backend: string): Promise<void> {
  await startBackend(backend);
  for (const name of BACKWARD_PLAIN_KERNELS.keys()) tf.unregisterKernel(name, backend);
}

const FORMS = [
  { title: 'wasm, multiply–add rounded twice', start: onWasm('separate') },
  ...(wasmArithmetic() === 'fused'
    ? [{ title: 'wasm, fused multiply–add', start: onWasm('fused') }]
    : []),
  { title: 'composed of tfjs operations', start: () => composed('wasm') },
  { title: 'cpu', start: () => startBackend('cpu') },
  ...(HAS_NATIVE ? [{ title: 'tensorflow', start: () => startBackend('tensorflow') }] : []),
];

/** The loss of a case: the mean over all predictions, or over sequences; and the inputs. */
function lossOf({ tokens, lengths, labels }: GoldenGradients): {
  readonly loss: Loss;
  readonly inputs: { readonly ids: Int32Array; readonly batch: number; readonly time: number };
} {
  const [batch, all] = [tokens.length, tokens[0].length];
  if (labels !== undefined && lengths !== undefined) {
    const weights = new Float32Array(batch).fill(1 / batch);
    const counts = Int32Array.from(lengths);
    return {
      inputs: { ids: Int32Array.from(tokens.flat()), batch, time: all },
      loss: {
        ...({ kind: 'classes', labels: Int32Array.from(labels) } as const),
        ...({ lengths: counts, pooling: 'real-tokens', weights } as const),
      },
    };
  }
  const time = all - 1;
  return {
    inputs: { ids: Int32Array.from(tokens.flatMap((row) => row.slice(0, -1))), batch, time },
    loss: {
      kind: 'tokens',
      targets: Int32Array.from(tokens.flatMap((row) => row.slice(1))),
      weights: new Float32Array(batch * time).fill(1 / (batch * time)),
    },
  };
}

function requireClose(actual: number, expected: number, scale: number, what: string): void {
  const error = Math.abs(actual - expected) / scale;
  assert.ok(error <= TOLERANCE, `${what}: ${actual} against ${expected}, off by ${error}`);
}

function requireGolden({ gradients }: Gradient, golden: GoldenGradients): void {
  assert.deepEqual([...gradients.keys()].sort(), Object.keys(golden.gradients).sort());
  for (const [name, expected] of Object.entries(golden.gradients)) {
    const values = Array.from(gradients.get(name)!);
    requireClose(Math.hypot(...values), expected.norm, expected.norm, `norm of ${name}`);
    const sum = values.reduce((total, value) => total + value, 0);
    // A sum of both signs can be nothing at all: beside the norm.
    requireClose(sum, expected.sum, expected.norm * Math.sqrt(values.length), `sum of ${name}`);
    for (const [at, index] of expected.largestAt.entries())
      requireClose(
        ...([values[index], expected.largest[at]] as const),
        Math.abs(expected.largest[at]),
        `${name}[${index}]`,
      );
  }
}

for (const form of FORMS)
  describe(`gradients of SpikeGPT against golden values, ${form.title}`, () => {
    before(form.start);
    after(onWasm(wasmArithmetic()));

    for (const name of CASES)
      itShared(
        name,
        [GOLDEN, `golden/${name.split('/')[0]}.pth`],
        async (goldenPath, checkpointPath) => {
          const { cases } = JSON.parse(await readFile(goldenPath, 'utf8')) as {
            readonly cases: readonly GoldenGradients[];
          };
          const golden = cases.find((one) => one.name === name)!;
          const checkpoint = await openCheckpoint(checkpointPath);
          const model = await SpikeGPT.load(checkpoint, { embedding: golden.embedding });
          try {
            const { loss, inputs } = lossOf(golden);
            const embedding = await checkpoint.readFloat32('emb.weight');
            const tensors = tf.memory().numTensors;
            const found = await model.gradient(inputs, loss, { valuesOf: () => embedding });
            assert.equal(tf.memory().numTensors, tensors, 'tensors leaked');
            const mean = found.nll.reduce((total, value) => total + value, 0) / found.nll.length;
            requireClose(mean, golden.loss, golden.loss, 'loss');
            requireGolden(found, golden);
          } finally {
            model.dispose();
            await checkpoint.close();
          }
        },
      );
  });
