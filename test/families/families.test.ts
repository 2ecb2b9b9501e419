import assert from 'node:assert/strict';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { writeRandomModel } from '../../src/experiment/open/toy-study.js';
import { familyById, familyNames } from '../../src/model/families.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { describeModel, structureOf } from '../../src/model/structure.js';
import { CheckpointError, ModelError, QslmError, UsageError } from '../../src/util/errors.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { runCli } from '../cli/support/run.js';
import { FAMILY_TOYS, saveFamilyToy } from './toys.js';

/** An error of four parts. */
function isWhole(error: unknown): boolean {
  assert.ok(error instanceof QslmError);
  const { what, where, got, expected } = error.detail;
  for (const part of [what, where, got, expected]) assert.ok(part, JSON.stringify(error.detail));
  return true;
}

describe('families', () => {
  const at = temporaryFolder();

  it('say of SNN-BERT what is public of it', async () => {
    assert.ok(familyNames().includes('snn-bert'));
    assert.throws(
      () => familyById('snn-bert'),
      (error) => isWhole(error) && error instanceof UsageError,
    );
    const { code, stderr } = await runCli(['inspect', 'spikegpt-mini', '--family', 'snn-bert']);
    assert.notEqual(code, 0);
    assert.match(stderr, /no code, weights or equations of SNN-BERT are public/);
  });

  for (const toy of FAMILY_TOYS)
    for (const other of FAMILY_TOYS)
      if (toy !== other)
        it(`refuse a ${toy.family.title} as a ${other.family.title}`, async () => {
          const path = await saveFamilyToy(at(`${toy.family.id}.safetensors`), toy);
          const checkpoint = await openCheckpoint(path);
          assert.equal((await describeModel(checkpoint)).family.id, toy.family.id);
          await assert.rejects(
            describeModel(checkpoint, { family: other.family.id }),
            (error) => isWhole(error) && error instanceof CheckpointError,
          );
          await checkpoint.close();
        });

  for (const toy of FAMILY_TOYS)
    it(`refuse settings of a ${toy.family.title} that make no sense`, async () => {
      const path = await saveFamilyToy(at(`${toy.family.id}.safetensors`), toy);
      const checkpoint = await openCheckpoint(path);
      for (const { name } of toy.family.choices)
        for (const value of [0, 'many'])
          await assert.rejects(
            describeModel(checkpoint, { [name]: value }),
            (error) => isWhole(error) && error instanceof UsageError,
            `${name} ${value}`,
          );
      await assert.rejects(describeModel(checkpoint, { heads: 5 }), isWhole);
      await checkpoint.close();
    });

  for (const toy of FAMILY_TOYS)
    it(`refuse a ${toy.family.title} that lacks one parameter, whichever`, async () => {
      const structure = structureOf(toy.family, toy.config);
      const { parameters } = structure.layout;
      // One of each kind, neurons' amplitudes among them where they are in the file.
      const kinds = new Map(parameters.map((one) => [one.name.replace(/\d+/g, '#'), one]));
      await startBackend('wasm');
      for (const { name } of kinds.values()) {
        const path = at(`lacking-${toy.family.id}.safetensors`);
        const without = parameters.filter((parameter) => parameter.name !== name);
        const layout = { ...structure.layout, parameters: without };
        await writeRandomModel(path, { ...structure, layout }, 1);
        const checkpoint = await openCheckpoint(path);
        const isRefusal = (error: unknown): boolean =>
          isWhole(error) && error instanceof CheckpointError;
        await assert.rejects(LoadedModel.load(checkpoint), isRefusal, name);
        await checkpoint.close();
      }
    });

  for (const toy of FAMILY_TOYS.filter(({ config }) => 'types' in config))
    it(`refuse a sentence longer than a ${toy.family.title} has positions`, async () => {
      await startBackend('wasm');
      const path = await saveFamilyToy(at(`${toy.family.id}.safetensors`), toy);
      const checkpoint = await openCheckpoint(path);
      const model = await LoadedModel.load(checkpoint);
      const time = toy.config.contextLength + 1;
      const tokens = { ids: new Int32Array(time).fill(5), batch: 1, time };
      await assert.rejects(
        model.classLogits(tokens, Int32Array.of(time), 'first-token'),
        (error) => isWhole(error) && error instanceof ModelError,
      );
      model.dispose();
      await checkpoint.close();
    });
});
