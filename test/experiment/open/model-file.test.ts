import assert from 'node:assert/strict';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBackend } from '../../../src/backend/start.js';
import {
  locateCheckpoint,
  openModel,
  openTokenizer,
} from '../../../src/experiment/open/model-file.js';
import type { SpikeGPTConfig } from '../../../src/model/spikegpt/config.js';
import { describeModel, openDescribed } from '../../../src/model/structure.js';
import { CheckpointError, TokenizerError } from '../../../src/util/errors.js';
import { packagePath } from '../../../src/util/paths.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { toyCheckpoint } from '../../support/toy.js';
import { saveToy } from '../support.js';

const TOKENIZER = packagePath('data', 'models', 'spikegpt-mini', 'tokenizer.json');

describe('experiment/inputs', () => {
  const folder = temporaryFolder();
  before(() => startBackend('cpu'));

  it('finds a bundled model by name, a file, and a folder of a converted model', async () => {
    const path = packagePath('data', 'models', 'spikegpt-mini', 'model.safetensors');
    assert.deepEqual(await locateCheckpoint('spikegpt-mini'), { name: 'spikegpt-mini', path });
    assert.deepEqual(await locateCheckpoint(path), { name: 'spikegpt-mini', path });
    const own = folder('my-model');
    await mkdir(own);
    assert.deepEqual(await locateCheckpoint(`${own}/`), {
      name: 'my-model',
      path: join(own, 'model.safetensors'),
    });
    await writeFile(folder('SpikeGPT-216M.pth'), '');
    const { name } = await locateCheckpoint(folder('SpikeGPT-216M.pth'));
    assert.equal(name, 'SpikeGPT-216M');
  });

  it('refuses a name that is neither a file nor bundled, and lists what is', async () => {
    await assert.rejects(locateCheckpoint('spikegpt-maxi'), (error) => {
      assert.ok(error instanceof CheckpointError);
      assert.match(
        error.message,
        /^spikegpt-maxi: there is no such model; got neither.*expected.*spikegpt-mini, spikegpt-mini-sst2$/,
      );
      return true;
    });
  });

  it('takes the tokenizer beside the checkpoint, or the one given', async () => {
    const path = await saveToy(folder('beside/toy.safetensors'), { vocabSize: 4096 });
    const { checkpoint, description } = await openDescribed(path);
    try {
      await assert.rejects(openTokenizer(path, description, undefined), (error) => {
        assert.ok(error instanceof TokenizerError);
        assert.match(
          error.message,
          /toy\.safetensors: the tokenizer is missing.*or a path as `tokenizer`/,
        );
        return true;
      });
      assert.equal((await openTokenizer(path, description, TOKENIZER)).vocabSize, 4096);
      await copyFile(TOKENIZER, folder('beside/tokenizer.json'));
      assert.equal((await openTokenizer(path, description, undefined)).vocabSize, 4096);
    } finally {
      await checkpoint.close();
    }
  });

  it('refuses a vocabulary larger than the embedding before it reads weights', async () => {
    const small = toyCheckpoint({ vocabSize: 4095 });
    const unread = { ...small, readFloat32: () => assert.fail('weights were read') };
    await assert.rejects(
      openTokenizer(unread.path, await describeModel(unread), TOKENIZER),
      /tokenizer\.json: vocabulary is larger than the embedding; got a vocabulary of 4096 tokens; expected at most 4095/,
    );
  });

  it('opens a model with its parts, and says where the configuration is from', async () => {
    const path = await saveToy(folder('whole/model.safetensors'), { vocabSize: 4096 });
    await copyFile(TOKENIZER, folder('whole/tokenizer.json'));
    const open = await openModel(folder('whole'), { embedding: 'dense' });
    try {
      assert.equal(open.name, 'whole');
      assert.equal(open.checkpoint.path, path);
      assert.deepEqual(open.model.description.sources, {
        embedding: 'option',
        contextLength: 'checkpoint metadata',
      });
      assert.equal((open.model.config as SpikeGPTConfig).embedding, 'dense');
      assert.equal(open.hierarchy.blocks.length, 5);
      // The head of a classifier counts for nothing.
      assert.deepEqual(open.hierarchy.unused.names, ['head.weight']);
    } finally {
      await open.close();
    }
    await assert.rejects(open.checkpoint.readFloat32('emb.weight'), CheckpointError);
  });

  it('names tensors that are missing before it looks for a tokenizer', async () => {
    const path = await saveToy(folder('gap.safetensors'), {}, ['blocks.1.ln2.bias']);
    await assert.rejects(openModel(path), /missing blocks\.1\.ln2\.bias, expected \[16\]/);
  });
});
