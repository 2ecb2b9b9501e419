import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { describeModel } from '../../src/model/structure.js';
import { CheckpointError, ModelError } from '../../src/util/errors.js';
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
  type Fired,
} from './golden.js';
import { FAMILY_TOYS, saveFamilyToy } from './toys.js';

const CASES = ['two-16', 'four-12', 'four-30'] as const;

const files = (name: string): string[] =>
  ['json', 'pth'].map((end) => `golden/families/spikingbert/${name}.${end}`);

/** What the weights do not tell. */
function statedOf({ heads, timeSteps, threshold }: FamilyCase) {
  return { heads, timeSteps, threshold };
}

/** Firing rates over all steps, [B, L, C]. */
function ratesOf({ spikes, steps }: Fired, channels: number): Float32Array {
  const rates = new Float32Array(spikes.length / steps);
  spikes.forEach((spike, at) => {
    const place = Math.floor(at / (steps * channels)) * channels + (at % channels);
    rates[place] += spike / steps;
  });
  return rates;
}

for (const [title, start] of FORMS)
  describe(`SpikingBERT against golden values, ${title}`, () => {
    before(start);
    after(asBefore);

    for (const name of CASES)
      itShared(name, files(name), async (json, path) => {
        const golden = await readCase(json);
        await withFamilyModel(path, statedOf(golden), async (model) => {
          assert.equal(model.description.family.id, 'spikingbert');
          assert.equal(model.config.layers, golden.layers);
          assert.equal(model.classes, golden.classes);
          const tokens = tokensOf(golden, true);
          const fired = await firedBy(model, tokens);
          assert.equal(fired.length, golden.neurons.length);
          golden.neurons.forEach(({ name, shape, spikes, spikesPerStep }, at) => {
            const counts = perStep(fired[at], shape[3]);
            assert.deepEqual(counts, spikesPerStep, `${name}, ${fired[at].path}`);
            assert.equal(
              counts.reduce((sum, one) => sum + one, 0),
              spikes,
            );
          });
          golden.hidden.forEach((hidden) => {
            const at = golden.neurons.findIndex(({ name }) => name === hidden.name);
            assertHidden(ratesOf(fired[at], golden.embeddingSize), hidden);
          });
          const logits = await model.classLogits(tokens, tokens.lengths!, 'first-token');
          assertClose(logits, golden.classLogits.flat(), 1e-4);
        });
      });

    itShared(
      'gives a sequence the same bits alone as in a batch',
      files('two-16'),
      async (json, path) => {
        const golden = await readCase(json);
        await withFamilyModel(path, statedOf(golden), (model) =>
          assertSameAlone(model, golden, 'first-token'),
        );
      },
    );
  });

describe('SpikingBERT', () => {
  it('takes rates for what they are: one pass gives the same where products of spikes are skipped', async () => {
    const toy = FAMILY_TOYS.find(({ family }) => family.id === 'spikingbert')!;
    const folder = await mkdtemp(join(tmpdir(), 'qslm-rates-'));
    try {
      const path = await saveFamilyToy(join(folder, 'model.safetensors'), toy);
      const tokens = { batch: 2, time: 5, ids: Int32Array.from([2, 7, 9, 4, 3, 2, 5, 5, 6, 3]) };
      const found: Float32Array[] = [];
      for (const [, start] of FORMS) {
        await start();
        await withFamilyModel(path, {}, async (model) => {
          found.push(await model.rateLogits(tokens));
        });
      }
      for (const logits of found.slice(1)) assertClose(logits, Array.from(found[0]), 1e-5);
    } finally {
      await asBefore();
      await rm(folder, { recursive: true, force: true });
    }
  });

  itShared(
    'counts the layers that are in the file five times once',
    files('two-16'),
    async (_, path) => {
      const checkpoint = await openCheckpoint(path);
      const { config, hierarchy } = await describeModel(checkpoint, { heads: 2 });
      await checkpoint.close();
      assert.equal(config.layers, 2);
      const own = [...checkpoint.tensors.values()].filter(
        ({ name }) => /^(?:network_|classification)/.test(name) && !name.includes('.fc.'),
      );
      const values = own.reduce(
        (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
        0,
      );
      assert.equal(hierarchy.parameters, values);
    },
  );

  itShared(
    'refuses layers that make no encoder, and more positions than it has',
    files('two-16'),
    async (json, path) => {
      const golden = await readCase(json);
      const checkpoint = await openCheckpoint(path);
      const tensors = new Map(
        [...checkpoint.tensors].filter(([name]) => !/^network_s12/.test(name)),
      );
      const { metadata, format } = checkpoint;
      await assert.rejects(
        describeModel({ path, metadata, format, tensors }, { heads: 2 }),
        (error) => {
          assert.ok(error instanceof CheckpointError);
          assert.match(error.message, /not the layers.*network_s1 to network_s11; expected 6/);
          return true;
        },
      );
      await checkpoint.close();
      await withFamilyModel(path, statedOf(golden), async (model) => {
        const long = { ids: new Int32Array(13).fill(5), batch: 1, time: 13 };
        await assert.rejects(model.classLogits(long, Int32Array.of(13), 'first-token'), (error) => {
          assert.ok(error instanceof ModelError);
          assert.match(error.message, /longer than the model has positions; got 13.*at most 12/);
          return true;
        });
      });
    },
  );
});
