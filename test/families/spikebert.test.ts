import assert from 'node:assert/strict';
import { observe } from '../../src/model/observe.js';
import { itShared } from '../support/shared.js';
import {
  asBefore,
  assertClose,
  assertHidden,
  assertSameAlone,
  firedBy,
  FORMS,
  perStep,
  readCase,
  tokensOf,
  withFamilyModel,
  type FamilyCase,
} from './golden.js';

const CASES = ['wide-mlp', 'narrow-mlp', 'data-parallel'] as const;

/** What the weights do not tell. */
function statedOf({ heads, timeSteps, tau, threshold, tokens }: FamilyCase) {
  return { heads, timeSteps, tau, threshold, contextLength: tokens[0].length };
}

const files = (name: string): string[] =>
  ['json', 'pth'].map((end) => `golden/families/spikebert/${name}.${end}`);

for (const [title, start] of FORMS)
  describe(`SpikeBERT against golden values, ${title}`, () => {
    before(start);
    after(asBefore);

    for (const name of CASES)
      itShared(name, files(name), async (json, path) => {
        const golden = await readCase(json);
        await withFamilyModel(path, statedOf(golden), async (model) => {
          assert.equal(model.description.family.id, 'spikebert');
          assert.equal(model.config.layers, golden.layers);
          assert.equal(model.classes, golden.classes);
          for (const padded of [false, true]) {
            const tokens = tokensOf(golden, padded);
            const [embedding, ...fired] = await firedBy(model, tokens);
            assert.equal(embedding.path, 'input/embedding');
            assert.equal(fired.length, golden.neurons.length);
            golden.neurons.forEach(({ name, shape, spikes, spikesPerStep }, at) => {
              const counts = perStep(fired[at], shape[3]);
              assert.deepEqual(counts, spikesPerStep, `${name}, ${fired[at].path}`);
              assert.equal(
                counts.reduce((sum, one) => sum + one, 0),
                spikes,
              );
            });
            const lengths = tokensOf(golden, true).lengths!;
            const { time, batch } = tokens;
            const logits = await model.classLogits(
              tokens,
              padded ? lengths : new Int32Array(batch).fill(time),
              'all-positions',
            );
            assertClose(logits, golden.classLogits.flat(), 1e-4);
          }
          const { residuals } = await observe(model, tokensOf(golden, false), { residuals: true });
          golden.hidden.forEach((hidden, block) => assertHidden(residuals![block + 1], hidden));
        });
      });

    itShared(
      'gives a sequence the same bits alone as in a batch',
      files('wide-mlp'),
      async (json, path) => {
        const golden = await readCase(json);
        await withFamilyModel(path, statedOf(golden), (model) =>
          assertSameAlone(model, golden, 'all-positions'),
        );
      },
    );
  });
