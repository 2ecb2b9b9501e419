import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../../src/backend/start.js';
import { openModel } from '../../src/experiment/open/model-file.js';
import { HAS_NATIVE } from '../support/native.js';

const EVALUATIONS = 1_000;
/** Before memory is looked at: allocators and the engine's heap grow until then. */
const WARM_UP = 200;
const [BATCH, TIME] = [1, 64];
/** What the resident memory may grow by, of what one stream an evaluation would be. */
const SHARE = 1 / 3;

if (HAS_NATIVE)
  describe('a thousand evaluations on native TensorFlow', () => {
    it('leave no tensor and no memory', async () => {
      await startBackend('tensorflow');
      const open = await openModel('spikegpt-mini');
      try {
        const { model, checkpoint } = open;
        const name = 'blocks.3.att.key.weight';
        const weights = await checkpoint.readFloat32(name);
        const ids = Int32Array.from({ length: BATCH * TIME }, (_, at) => 3 + ((7 * at) % 4000));
        const tokens = { ids, batch: BATCH, time: TIME };
        const evaluate = async (): Promise<number> => {
          model.setParameter(name, weights);
          return (await model.tokenNll(tokens, ids)).reduce((sum, value) => sum + value, 0);
        };
        const expected = await evaluate();
        for (let count = 0; count < WARM_UP; count++) await evaluate();
        const [tensors, resident] = [tf.memory().numTensors, process.memoryUsage.rss()];
        for (let count = 0; count < EVALUATIONS; count++) assert.equal(await evaluate(), expected);
        assert.equal(tf.memory().numTensors, tensors);
        const grown = process.memoryUsage.rss() - resident;
        const stream = 4 * BATCH * TIME * model.description.layout.parameters[1].shape[0];
        assert.ok(
          grown < SHARE * EVALUATIONS * stream,
          `resident memory grew by ${(grown / 1e6).toFixed(1)} MB`,
        );
      } finally {
        await open.close();
        await startBackend('wasm');
      }
    });
  });
