import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { wasmArithmetic } from '../../src/backend/kernels/wasm-module.js';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { StatedConfig } from '../../src/model/config.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { observe } from '../../src/model/observe.js';
import { selectRows, type Pooling, type TokenBatch } from '../../src/model/types.js';
import { onWasm } from '../backend/support.js';

/** A case of the shared golden values: a small random model of the authors' code, in float64. */
export interface FamilyCase {
  readonly name: string;
  readonly layers: number;
  readonly embeddingSize: number;
  readonly heads: number;
  readonly timeSteps: number;
  readonly tau: number;
  readonly threshold: number;
  readonly classes: number;
  readonly vocabSize: number;
  readonly tokens: readonly (readonly number[])[];
  readonly attentionMask?: readonly (readonly number[])[];
  readonly tokenTypes?: readonly (readonly number[])[];
  readonly classLogits: readonly (readonly number[])[];
  readonly selfCalibratedAmplitudes?: Readonly<Record<string, number>>;
  readonly neurons: readonly NeuronCounts[];
  readonly hidden: readonly HiddenSums[];
}

export interface NeuronCounts {
  readonly name: string;
  /** [T, B, L, channels] */
  readonly shape: readonly [number, number, number, number];
  readonly spikes?: number;
  readonly spikesPerStep?: readonly number[];
  readonly plus?: number;
  readonly minus?: number;
  readonly plusPerStep?: readonly number[];
  readonly minusPerStep?: readonly number[];
}

export interface HiddenSums {
  readonly name: string;
  readonly shape: readonly number[];
  readonly sum: number;
  readonly sumOfSquares: number;
  readonly first: readonly number[];
}

export async function readCase(path: string): Promise<FamilyCase> {
  return JSON.parse(await readFile(path, 'utf8')) as FamilyCase;
}

/** The sequences of a case. @param padded says where padding begins, by the mask or the token 0 */
export function tokensOf(golden: FamilyCase, padded: boolean): TokenBatch {
  const { tokens, attentionMask, tokenTypes } = golden;
  const lengths = tokens.map((row, n) => {
    const mask = attentionMask?.[n] ?? row.map((token) => (token === 0 ? 0 : 1));
    const length = mask.lastIndexOf(1) + 1;
    assert.ok(mask.slice(0, length).every((one) => one === 1));
    return length;
  });
  return {
    ids: Int32Array.from(tokens.flat()),
    batch: tokens.length,
    time: tokens[0].length,
    ...(padded && { lengths: Int32Array.from(lengths) }),
    ...(tokenTypes && { types: Int32Array.from(tokenTypes.flat()) }),
  };
}

/** TensorFlow.js on the processor without any kernel of ours: all is composed, as on `tensorflow`. */
async function onComposed(): Promise<void> {
  await startBackend('cpu');
  if (!tf.engine().backendNames().includes('composed')) {
    tf.registerBackend('composed', () => new MathBackendCPU());
    tf.copyRegisteredKernels('cpu', 'composed');
    const ours = tf.getKernelsForBackend('composed').filter((one) => /^Qslm/.test(one.kernelName));
    assert.ok(ours.length > 0);
    for (const { kernelName } of ours) tf.unregisterKernel(kernelName, 'composed');
  }
  await tf.setBackend('composed');
}

/** Every form that a network runs in. */
export const FORMS: readonly (readonly [title: string, start: () => Promise<unknown>])[] = [
  ['wasm, multiply–add rounded twice', onWasm('separate')],
  ...(wasmArithmetic() === 'fused'
    ? ([['wasm, fused multiply–add', onWasm('fused')]] as const)
    : []),
  ['cpu', () => startBackend('cpu')],
  ['composed of tfjs operations', onComposed],
];

/** Brings the backend back to what other suites find. */
export const asBefore = onWasm(wasmArithmetic());

/** Opens a checkpoint of a case, runs `work`, and demands that nothing stays on the device. */
export async function withFamilyModel(
  path: string,
  stated: StatedConfig,
  work: (model: LoadedModel) => Promise<void>,
): Promise<void> {
  const before = tf.memory().numTensors;
  const checkpoint = await openCheckpoint(path);
  const model = await LoadedModel.load(checkpoint, stated);
  try {
    await work(model);
  } finally {
    model.dispose();
    await checkpoint.close();
  }
  assert.equal(tf.memory().numTensors, before, 'tensors leaked');
}

/** The spikes of every layer, [B, L, T, C], the embedding's first where it spikes. */
export interface Fired {
  readonly path: string;
  readonly steps: number;
  readonly spikes: Int8Array;
}

export async function firedBy(model: LoadedModel, tokens: TokenBatch): Promise<Fired[]> {
  const { spikes } = await observe(model, tokens, { spikes: true, embedding: true });
  return spikes!.map(({ layer, spikes }) => ({
    path: layer.path,
    steps: layer.steps ?? 1,
    spikes,
  }));
}

/** Spikes of one sign at each step. */
export function perStep({ spikes, steps }: Fired, channels: number, sign: 1 | -1 = 1): number[] {
  const counts = new Array<number>(steps).fill(0);
  spikes.forEach((spike, at) => {
    if (spike === sign) counts[Math.floor(at / channels) % steps]++;
  });
  return counts;
}

export function assertClose(
  actual: ArrayLike<number>,
  expected: readonly number[],
  tolerance: number,
): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, at) => {
    assert.ok(Math.abs(actual[at] - value) <= tolerance, `at ${at}: ${actual[at]}, not ${value}`);
  });
}

/** Sum and sum of squares within a share of what they should be; the first values each. */
export function assertHidden(values: Float32Array, hidden: HiddenSums): void {
  assert.equal(
    values.length,
    hidden.shape.reduce((product, size) => product * size, 1),
    hidden.name,
  );
  const sum = values.reduce((total, value) => total + value, 0);
  const squares = values.reduce((total, value) => total + value * value, 0);
  const within = (got: number, wanted: number): boolean =>
    Math.abs(got - wanted) <= 1e-5 * Math.max(Math.abs(wanted), Math.sqrt(hidden.sumOfSquares));
  assert.ok(within(sum, hidden.sum), `${hidden.name}: sum ${sum}, not ${hidden.sum}`);
  assert.ok(within(squares, hidden.sumOfSquares), `${hidden.name}: squares ${squares}`);
  assertClose(values.slice(0, hidden.first.length), hidden.first, 1e-4);
}

/**
 * Asserts that each sequence of a case has the logits that it has in the batch.
 *
 * @param tolerance of the largest; none where the bits have to be the same
 */
export async function assertSameAlone(
  model: LoadedModel,
  golden: FamilyCase,
  pooling: Pooling,
  tolerance?: number,
): Promise<void> {
  const all = tokensOf(golden, true);
  const together = await model.classLogits(all, all.lengths!, pooling);
  assert.equal(together.length, all.batch * golden.classes);
  for (let row = 0; row < all.batch; row++) {
    const one = selectRows(all, [row]);
    const alone = await model.classLogits(one, one.lengths!, pooling);
    const own = together.slice(golden.classes * row, golden.classes * (row + 1));
    if (tolerance === undefined) assert.deepEqual(alone, own);
    else assertClose(alone, Array.from(own), tolerance);
  }
}
