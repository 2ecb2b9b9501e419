import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../../src/backend/start.js';
import { AcceleratedModel } from '../../src/model/accelerated-model.js';
import { planStages } from '../../src/model/plan-stages.js';
import type { TokenBatch } from '../../src/model/types.js';
import { BackendError } from '../../src/util/errors.js';
import { type SpikeGPT } from '../support/spikegpt.js';
import { someTokens, TOY, withToy } from '../support/toy.js';

/** Lets a network run at most so many sequences at once, as a device with little memory. @returns batches run */
function limit({ network }: SpikeGPT, most: number): number[] {
  const whole = network.runStages.bind(network);
  const run: number[] = [];
  network.runStages = (stream, from, to, tokens) => {
    if (tokens.batch > most)
      throw new Error('Invalid TF_Status: 8\nMessage: OOM when allocating tensor with shape[5]');
    run.push(tokens.batch);
    return whole(stream, from, to, tokens);
  };
  return run;
}

describe('a device without memory for a batch', () => {
  before(() => startBackend('cpu'));
  const time = 7;
  const batch: TokenBatch = { ids: someTokens(5, time, TOY.vocabSize), batch: 5, time };
  const targets = someTokens(5, time, TOY.vocabSize, 4);
  const lengths = Int32Array.of(7, 3, 7, 1, 5);

  it('gets it in halves, with the same bits and no tensor left, and once too large is not tried again', () =>
    withToy(async (model) => {
      const nll = await model.tokenNll(batch, targets);
      const logits = await model.classLogits(batch, lengths, 'real-tokens');
      const run = limit(model, 2);
      const tensors = tf.memory().numTensors;
      assert.deepEqual(await model.tokenNll(batch, targets), nll);
      assert.deepEqual(run, [2, 1, 2]);
      assert.deepEqual(await model.classLogits(batch, lengths, 'real-tokens'), logits);
      assert.equal(tf.memory().numTensors, tensors);
    }));

  it('does so with what is kept between plans too', () =>
    withToy(async (model) => {
      const nll = await model.tokenNll(batch, targets);
      limit(model, 2);
      const reuse = { prefix: true, exit: true, budgetBytes: 1e6 };
      const accelerated = new AcceleratedModel(model, reuse);
      accelerated.usePlan(planStages(new Map(), model.description.layout));
      const tensors = tf.memory().numTensors;
      assert.deepEqual(await accelerated.tokenNll(batch, targets), nll);
      assert.deepEqual(await accelerated.tokenNll(batch, targets), nll);
      accelerated.clear();
      assert.equal(tf.memory().numTensors, tensors);
    }));

  it('says so where a single sequence is too much', () =>
    withToy(async (model) => {
      limit(model, 0);
      await assert.rejects(model.tokenNll(batch, targets), (error: Error) => {
        assert.ok(error instanceof BackendError);
        assert.match(
          error.message,
          /a sequence of 7 tokens: .*no memory for a single sequence.*the backend wasm/,
        );
        return true;
      });
    }));
});
