import assert from 'node:assert/strict';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import type { Arithmetic } from '../../src/backend/kernels/wasm-module.js';
import { registerWasmKernels } from '../../src/backend/kernels/wasm.js';
import { startBackend } from '../../src/backend/start.js';
import { seededRandom } from '../../src/util/random.js';

/** Starts `wasm` with the kernels of one arithmetic. */
export const onWasm = (arithmetic: Arithmetic) => async (): Promise<void> => {
  await startBackend('wasm');
  registerWasmKernels(tf.backend() as BackendWasm, arithmetic);
};

export const onCpu = async (): Promise<void> => {
  await startBackend('cpu');
};

/** Normally distributed float32 values (Box and Muller), so that inputs are exact in all forms. */
export function normal(seed: number, size: number, scale = 1): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: size }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.float()));
    return Math.fround(scale * radius * Math.cos(2 * Math.PI * random.float()));
  });
}

export function close(
  actual: ArrayLike<number>,
  expected: readonly number[],
  tolerance: number,
): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, index) => {
    const error = Math.abs(actual[index] - value);
    assert.ok(
      error <= tolerance * Math.max(1, Math.abs(value)),
      `at ${index}: ${actual[index]} against ${value}`,
    );
  });
}

/** Runs in a tidy and demands that nothing but what was there before stays. */
export function withoutLeaks(run: () => void): void {
  const before = tf.memory().numTensors;
  tf.tidy(run);
  assert.equal(tf.memory().numTensors, before, 'tensors leaked');
}
