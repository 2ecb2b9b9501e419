import assert from 'node:assert/strict';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { familyById, familyNames } from '../../src/model/families.js';
import { describeModel } from '../../src/model/structure.js';
import { CheckpointError, QslmError, UsageError } from '../../src/util/errors.js';
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
});
