import assert from 'node:assert/strict';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { observe } from '../../src/model/observe.js';
import { calibrateAmplitudes } from '../../src/model/spikelm/calibrate.js';
import type { SpikeLMConfig } from '../../src/model/spikelm/config.js';
import { describeModel, type ModelDescription } from '../../src/model/structure.js';
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
} from './golden.js';

const CASES = ['single', 'pairs', 'regression'] as const;

const files = (name: string): string[] =>
  ['json', 'pth'].map((end) => `golden/families/spikelm/${name}.${end}`);

for (const [title, start] of FORMS)
  describe(`SpikeLM against golden values, ${title}`, () => {
    before(start);
    after(asBefore);

    for (const name of CASES)
      itShared(name, files(name), async (json, path) => {
        const golden = await readCase(json);
        await withFamilyModel(path, { heads: golden.heads }, async (model) => {
          assert.equal(model.description.family.id, 'spikelm');
          const config = model.config as SpikeLMConfig;
          assert.equal(config.timeSteps, golden.timeSteps);
          assert.equal(model.classes, golden.classes);
          const tokens = tokensOf(golden, true);
          const fired = await firedBy(model, tokens);
          assert.equal(fired.length, golden.neurons.length);
          golden.neurons.forEach(({ name, shape, plusPerStep, minusPerStep }, at) => {
            assert.deepEqual(perStep(fired[at], shape[3]), plusPerStep, name);
            assert.deepEqual(perStep(fired[at], shape[3], -1), minusPerStep, name);
          });
          const logits = await model.classLogits(tokens, tokens.lengths!, 'first-token');
          assertClose(logits, golden.classLogits.flat(), 1e-4);
          const { residuals } = await observe(model, tokens, { residuals: true });
          golden.hidden
            .slice(0, golden.layers + 1)
            .forEach((hidden, block) => assertHidden(residuals![block], hidden));
        });
      });

    itShared(
      'gives a sequence the same bits alone as in a batch',
      files('pairs'),
      async (json, path) => {
        const golden = await readCase(json);
        await withFamilyModel(path, { heads: golden.heads }, (model) =>
          assertSameAlone(
            model,
            golden,
            'first-token',
            title.startsWith('composed') ? 1e-5 : undefined,
          ),
        );
      },
    );
  });

describe('SpikeLM', () => {
  before(() => startBackend('cpu'));
  after(asBefore);

  for (const name of CASES)
    itShared(
      `calibrates the amplitudes of ${name} as the published code does`,
      files(name),
      (json, path) =>
        readCase(json).then(async (golden) => {
          const checkpoint = await openCheckpoint(path);
          const description = await describeModel(checkpoint, { heads: golden.heads });
          const found = await calibrateAmplitudes(
            checkpoint,
            description as ModelDescription<SpikeLMConfig>,
            tokensOf(golden, true),
          );
          await checkpoint.close();
          const expected = Object.entries(golden.selfCalibratedAmplitudes!);
          assert.equal(found.size, expected.length);
          for (const [amplitude, value] of expected)
            assert.ok(Math.abs(found.get(amplitude)! - value) < 1e-5 * value, amplitude);
        }),
    );

  itShared('refuses an amplitude that was never set', files('single'), async (json, path) => {
    const golden = await readCase(json);
    const checkpoint = await openCheckpoint(path);
    const unset = {
      ...checkpoint,
      tensors: checkpoint.tensors,
      path,
      metadata: checkpoint.metadata,
      format: checkpoint.format,
      readFloat32: async (name: string): Promise<Float32Array> =>
        name.endsWith('layer.1.output.dense.act_clip_val.2')
          ? Float32Array.of(1)
          : checkpoint.readFloat32(name),
    };
    const { heads } = golden;
    await assert.rejects(LoadedModel.load(unset, { heads }), (error: Error) => {
      assert.ok(error instanceof CheckpointError);
      const message = /layer\.1\.output\.dense\.act_clip_val\.2: .*never set.*got 1; expected/;
      assert.match(error.message, message);
      return true;
    });
    await checkpoint.close();
  });

  itShared('refuses what its embeddings do not hold', files('single'), async (json, path) => {
    const golden = await readCase(json);
    await withFamilyModel(path, { heads: golden.heads }, async (model) => {
      const [time, lengths] = [17, Int32Array.of(17)];
      const long = { ids: new Int32Array(time).fill(5), batch: 1, time };
      await assert.rejects(model.classLogits(long, lengths, 'first-token'), (error: Error) => {
        assert.ok(error instanceof ModelError);
        assert.match(error.message, /longer than the model has positions; got 17.*at most 16/);
        return true;
      });
      const typed = { ids: Int32Array.of(5, 6), batch: 1, time: 2, types: Int32Array.of(0, 2) };
      await assert.rejects(
        model.classLogits(typed, Int32Array.of(2), 'first-token'),
        /segment that the embedding does not know; got type 2; expected 0 to 1/,
      );
    });
  });

  itShared('says which neurons are missing', files('single'), async (_json, path) => {
    const checkpoint = await openCheckpoint(path);
    const without = (pattern: RegExp) => ({
      path,
      format: checkpoint.format,
      metadata: {},
      tensors: new Map([...checkpoint.tensors].filter(([name]) => !pattern.test(name))),
    });
    await assert.rejects(
      describeModel(without(/act_clip_val/), { heads: 4, family: 'spikelm' }),
      /neurons of a SpikeLM are missing.*got.*expected/,
    );
    await assert.rejects(
      describeModel(without(/layer\.1\.attention\.self\.clip_key\.3/), { heads: 4 }),
      /missing bert\.encoder\.layer\.1\.attention\.self\.clip_key\.3/,
    );
    await checkpoint.close();
  });
});
