import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { observe } from '../../src/model/observe.js';
import { GOLDEN_NAMES, readFloats, readGoldenCases, type GoldenCase } from '../support/golden.js';
import { TESTED_BACKENDS } from '../support/native.js';
import { itShared } from '../support/shared.js';
import { SpikeGPT } from '../support/spikegpt.js';

function relative(actual: number, expected: number): number {
  return Math.abs(actual - expected) / Math.abs(expected);
}

const sum = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((total, value) => total + value, 0);

async function withModel(
  golden: GoldenCase,
  path: string,
  run: (model: SpikeGPT) => Promise<void>,
): Promise<void> {
  const checkpoint = await openCheckpoint(path);
  const model = await SpikeGPT.load(checkpoint, { embedding: golden.embedding });
  try {
    await run(model);
  } finally {
    model.dispose();
    await checkpoint.close();
  }
}

for (const backend of TESTED_BACKENDS)
  describe(`SpikeGPT against golden values, ${backend}`, () => {
    before(() => startBackend(backend));

    for (const name of GOLDEN_NAMES)
      itShared(
        name,
        ['golden/index.json', `golden/${name}.pth`, `golden/${name}.logits.f32`],
        async (indexPath, path, logitsPath) => {
          const golden = (await readGoldenCases(indexPath)).find((one) => one.name === name);
          assert.ok(golden);
          const expected = await readFloats(logitsPath);
          const [batch, time, vocab] = golden.logitsShape;
          const tokens = { ids: Int32Array.from(golden.tokens.flat()), batch, time };
          await withModel(golden, path, async (model) => {
            assert.equal(model.config.layers, golden.layers);
            assert.equal(model.config.width, golden.embeddingSize);
            assert.equal(model.vocabSize, golden.vocabSize);
            const tensors = tf.memory().numTensors;
            const lengths = new Int32Array(batch).fill(time);
            const seen = await observe(model, tokens, {
              logits: true,
              residuals: true,
              spikes: true,
              firingRates: true,
              ...(golden.classLogits && { classLengths: lengths }),
            });
            assert.equal(tf.memory().numTensors, tensors);

            // Spikes: equal counts in every layer, and equal sums of the stream after every block.
            const size = batch * time * golden.embeddingSize;
            golden.firingRates.forEach((rates, block) => {
              rates.forEach((rate, module) => {
                const got = seen.firingRates![block][module];
                assert.equal(Math.round(got * size), Math.round(rate * size));
                assert.ok(relative(got, rate) < 1e-5);
              });
            });
            assert.equal(seen.spikes!.length, 2 * golden.layers);
            golden.hiddenSums.forEach((total, block) => {
              assert.ok(Math.abs(sum(seen.residuals![block + 1]) - total) < 1e-5 * total);
            });

            assert.equal(seen.logits!.length, batch * time * vocab);
            const worst = expected.reduce(
              (most, value, index) => Math.max(most, Math.abs(value - seen.logits![index])),
              0,
            );
            assert.ok(worst < 1e-3, `largest logit error ${worst}`);
            golden.classLogits?.flat().forEach((value, index) => {
              assert.ok(Math.abs(value - seen.classLogits![index]) < 1e-4);
            });

            const context = { batch, time: time - 1 };
            const rows = golden.tokens;
            const inputs = Int32Array.from(rows.flatMap((row) => row.slice(0, -1)));
            const targets = Int32Array.from(rows.flatMap((row) => row.slice(1)));
            const nll = await model.tokenNll({ ids: inputs, ...context }, targets);
            assert.ok(relative(sum(nll) / nll.length, golden.meanNll) < 1e-5);
          });
        },
      );
  });
