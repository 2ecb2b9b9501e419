import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../../src/backend/start.js';
import { scoreBatch } from '../../src/tasks/evaluate.js';
import {
  fromPlainError,
  MemoryError,
  toPlainError,
  withMemoryNamed,
} from '../../src/util/errors.js';
import { toySentences } from '../experiment/study-support.js';

describe('memory that is not there', () => {
  it('is said as that by the wasm heap, not written to at address 0', async () => {
    await startBackend('wasm');
    const { wasm } = tf.backend() as unknown as {
      wasm: { _malloc: (bytes: number) => number; _free: (address: number) => void };
    };
    // Addresses have 32 bits: of six such pieces the last have none. Untouched they take no memory.
    const pieces: number[] = [];
    try {
      assert.throws(() => {
        for (let piece = 0; piece < 6; piece++) pieces.push(wasm._malloc(1e9));
      }, /out of memory: no 1000000000 bytes/);
    } finally {
      for (const piece of pieces) wasm._free(piece);
    }
  });

  it('is said with the batch that did not fit, and what would', async () => {
    const task = toySentences(4);
    const { batch, time } = task.batches[0].inputs;
    for (const message of [
      'memory access out of bounds',
      'Invalid typed array length: 6000000000',
      'Array buffer allocation failed',
      'the heap of backend wasm is out of memory: no 8 bytes left',
    ]) {
      const failing = {
        batches: task.batches,
        score: () => Promise.reject(new RangeError(message)),
      };
      await assert.rejects(scoreBatch(failing, {} as never, 0), (error) => {
        assert.ok(error instanceof MemoryError);
        const { what, got, expected } = error.detail;
        assert.deepEqual(
          [what, got],
          ['out of memory', `a batch of ${batch} × ${time} tokens (${message})`],
        );
        assert.match(expected!, /shorter context.*smaller model/);
        assert.ok(fromPlainError(toPlainError(error)) instanceof MemoryError);
        return true;
      });
    }
    const other = new RangeError('precision must be between 1 and 100');
    assert.equal(withMemoryNamed(other, 'here', 'it', 'less'), other);
  });
});
