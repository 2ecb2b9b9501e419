import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import * as composite from '../../src/backend/kernels/composite.js';
import { EMPTY_EXPONENT } from '../../src/backend/kernels/names.js';
import { startBackend } from '../../src/backend/start.js';
import { openModel } from '../../src/experiment/open/model-file.js';
import { TESTED_BACKENDS } from '../support/native.js';
import { normal } from './support.js';

const [SHORT, LONG] = [64, 1_024];
const [BATCH, CHANNELS] = [2, 48];

/** Kernels that run, and the bytes that they hold at once in streams of the length. */
async function cost(
  time: number,
  run: (stream: (seed: number, scale?: number) => tf.Tensor3D) => void,
): Promise<{ kernels: number; streams: number }> {
  const size = BATCH * time * CHANNELS;
  const made: tf.Tensor3D[] = [];
  const stream = (seed: number, scale = 1): tf.Tensor3D => {
    made.push(tf.tensor3d(normal(seed, size, scale), [BATCH, time, CHANNELS]));
    return made.at(-1)!;
  };
  const before = tf.memory().numBytes;
  const profile = await tf.profile(() => {
    tf.tidy(() => {
      run(stream);
    });
    return tf.scalar(0);
  });
  tf.dispose(profile.result);
  tf.dispose(made);
  return {
    kernels: profile.kernels.length,
    streams: (profile.peakBytes - before) / (4 * size),
  };
}

const wkv = (stream: (seed: number) => tf.Tensor3D): void => {
  const [k, v, r] = [stream(1), stream(2), stream(3)];
  const past: tf.Tensor3D = tf.concat(
    [tf.zeros([BATCH, 2, CHANNELS]), tf.fill([BATCH, 1, CHANNELS], EMPTY_EXPONENT)],
    1,
  );
  composite.wkv(k, v, r, tf.zeros([CHANNELS]), tf.zeros([CHANNELS]), past);
};
/** Currents large enough that every fourth potential or so spikes, so that resets are many. */
const lif = (stream: (seed: number, scale?: number) => tf.Tensor3D): void => {
  const x = stream(4, 3);
  composite.spikingResidual(x, undefined, x, tf.zeros([BATCH, CHANNELS]), false);
};

describe('forms composed of whole-tensor operations, at 1,024 tokens', () => {
  before(() => startBackend('wasm'));

  // WKV: ⌊log2 T⌋ + 1 rounds, 7 and 11, and a few operations before and after.
  it('WKV: as many more operations as the logarithm is larger', async () => {
    const [short, long] = [await cost(SHORT, wkv), await cost(LONG, wkv)];
    const ratio = (Math.log2(LONG) + 1) / (Math.log2(SHORT) + 1);
    assert.ok(long.kernels <= ratio * short.kernels, JSON.stringify([short, long]));
    assert.ok(long.streams < 25, JSON.stringify(long));
  });

  it('LIF: as many rounds as settle the resets, not as many as tokens', async () => {
    const [short, long] = [await cost(SHORT, lif), await cost(LONG, lif)];
    // Rounds look 64 tokens back at most; they are run in fours, and resets settle a few rounds apart.
    assert.ok(long.kernels <= 2 * short.kernels, JSON.stringify([short, long]));
    assert.ok(long.streams < 20, JSON.stringify(long));
  });
});

for (const backend of TESTED_BACKENDS)
  describe(`the forward pass, ${backend}`, () => {
    after(() => startBackend('wasm'));

    it('runs as many kernels for 256 tokens as for 16', async () => {
      await startBackend(backend);
      const open = await openModel('spikegpt-mini');
      try {
        const count = async (time: number): Promise<number> => {
          const ids = new Int32Array(time).fill(7);
          const { kernels } = await tf.profile(async () => {
            await open.model.tokenNll({ ids, batch: 1, time }, ids);
            return tf.scalar(0);
          });
          return kernels.length;
        };
        assert.equal(await count(256), await count(16));
      } finally {
        await open.close();
      }
    });
  });
