import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBackend } from '../../src/backend/start.js';
import type { Checkpoint } from '../../src/checkpoint/types.js';
import { SPIKEGPT } from '../../src/model/spikegpt/family.js';
import { describeModel } from '../../src/model/structure.js';
import { BackendError, CheckpointError, UsageError } from '../../src/util/errors.js';
import { checkParameters, deriveConfig, parametersOf, SpikeGPT } from '../support/spikegpt.js';
import { TOY, toyCheckpoint } from '../support/toy.js';

/** A checkpoint with some tensors given another shape, or none. */
function reshaped(
  checkpoint: Checkpoint,
  changes: Readonly<Record<string, readonly number[] | undefined>>,
): Checkpoint {
  const tensors = new Map(checkpoint.tensors);
  for (const [name, shape] of Object.entries(changes))
    if (shape === undefined) tensors.delete(name);
    else tensors.set(name, { name, dtype: 'float32', shape });
  return { ...checkpoint, tensors };
}

describe('configuration of a checkpoint', () => {
  it('comes from names and shapes', async () => {
    for (const variant of [{}, { ffnPre: true }, { classes: 0 }, { head: false, classes: 5 }]) {
      const { config } = await deriveConfig(toyCheckpoint(variant));
      assert.deepEqual(config, { ...TOY, ...variant });
    }
  });

  it('takes what shapes cannot tell from a flag, the metadata, config.json or a default', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'qslm-'));
    try {
      const silent = { ...toyCheckpoint(), metadata: {}, path: join(folder, 'model.pth') };
      assert.deepEqual((await deriveConfig(silent)).sources, {
        embedding: 'default',
        contextLength: 'default',
      });
      await writeFile(join(folder, 'config.json'), '{"embedding":"dense","context_length":512}');
      const read = await deriveConfig(silent);
      assert.deepEqual([read.config.embedding, read.config.contextLength], ['dense', 512]);
      assert.equal(read.sources.embedding, 'config.json');

      const stated = await deriveConfig({ ...silent, metadata: { embedding: 'spike' } });
      assert.equal(stated.config.embedding, 'spike');
      assert.equal(stated.sources.embedding, 'checkpoint metadata');
      assert.equal(stated.sources.contextLength, 'config.json');

      const flagged = await deriveConfig(silent, { embedding: 'spike', contextLength: 64 });
      assert.deepEqual(flagged.sources, { embedding: 'option', contextLength: 'option' });
      assert.equal(flagged.config.contextLength, 64);

      await writeFile(join(folder, 'config.json'), '{"embedding":');
      await assert.rejects(deriveConfig(silent), /config\.json: not JSON/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('takes a config.json for none only where there is none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'qslm-'));
    const config = join(folder, 'config.json');
    const silent = { ...toyCheckpoint(), metadata: {}, path: join(folder, 'model.pth') };
    const refused = async (make: () => Promise<unknown>, message: RegExp): Promise<void> => {
      await make();
      await assert.rejects(deriveConfig(silent), (error) => {
        assert.ok(error instanceof CheckpointError, String(error));
        assert.match(error.message, message);
        return true;
      });
      await rm(config, { recursive: true });
    };
    try {
      await refused(() => symlink('config.json', config), /config\.json: .*; got ELOOP/);
      await refused(() => mkdir(config), /config\.json: .*; got EISDIR/);
      await refused(
        () => writeFile(config, '').then(() => truncate(config, 600e6)),
        /config\.json: file is too large; got 600\.00 MB/,
      );
      await deriveConfig(silent);
      // What is stated needs no file, so a thread that is told all does not depend on one.
      await mkdir(config);
      await deriveConfig(silent, { embedding: 'spike', contextLength: 64 });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('refuses values that make no sense', async () => {
    const checkpoint = toyCheckpoint();
    for (const metadata of [{ embedding: 'sparse' }, { context_length: '-3' }])
      await assert.rejects(deriveConfig({ ...checkpoint, metadata }), UsageError);
  });

  it('says so when it is no SpikeGPT', async () => {
    const foreign = reshaped(toyCheckpoint(), { 'emb.weight': undefined });
    await assert.rejects(deriveConfig(foreign), /not a SpikeGPT checkpoint.*"emb\.weight"/);
    const gap = reshaped(toyCheckpoint(), { 'blocks.7.ln1.weight': [16] });
    await assert.rejects(deriveConfig(gap), /numbered without gaps/);
  });

  it('is of the family that knows the names of its tensors, or of none', async () => {
    const { family, config } = await describeModel(toyCheckpoint());
    assert.equal(family, SPIKEGPT);
    assert.deepEqual(config, TOY);
    const foreign = new Map([
      ['lm_head.weight', { name: 'lm_head.weight', dtype: 'float32', shape: [4, 4] } as const],
    ]);
    await assert.rejects(describeModel({ ...toyCheckpoint(), tensors: foreign }), (error) => {
      assert.ok(error instanceof CheckpointError);
      assert.match(
        error.message,
        /^toy: no model family knows these tensors; got .*lm_head\.weight.*SpikeGPT \(spikegpt\)/,
      );
      return true;
    });
    await assert.rejects(describeModel(toyCheckpoint(), { family: 'gpt' }), UsageError);
    await assert.rejects(
      describeModel(toyCheckpoint(), { layers: 3 }),
      /no such setting; got layers/,
    );
  });

  it('lists missing, surplus and misshapen tensors with both shapes', () => {
    const parameters = parametersOf(TOY);
    assert.doesNotThrow(() => {
      checkParameters(toyCheckpoint(), parameters);
    });
    const broken = reshaped(toyCheckpoint(), {
      'blocks.1.att.key.weight': undefined,
      'blocks.0.ffn.value.weight': [64, 16],
      'head_q.weight': [4, 16],
    });
    assert.throws(
      () => {
        checkParameters(broken, parameters);
      },
      (error: Error) => {
        assert.ok(error instanceof CheckpointError);
        assert.match(error.message, /3 differences/);
        assert.match(error.message, /missing blocks\.1\.att\.key\.weight, expected \[16, 16\]/);
        assert.match(
          error.message,
          /misshapen blocks\.0\.ffn\.value\.weight: found \[64, 16\], expected \[16, 64\]/,
        );
        assert.match(error.message, /surplus head_q\.weight: found \[4, 16\]/);
        return true;
      },
    );
  });

  it('accepts vectors stored as [C] or [1, 1, C], but no transposed matrix', () => {
    const parameters = parametersOf(TOY);
    const flat = reshaped(toyCheckpoint(), { 'blocks.0.att.time_mix_k': [16] });
    checkParameters(flat, parameters);
    const turned = reshaped(toyCheckpoint(), { 'blocks.0.ffn.key.weight': [16, 64] });
    assert.throws(() => {
      checkParameters(turned, parameters);
    }, CheckpointError);
  });
});

describe('loading', () => {
  before(() => startBackend('wasm'));

  it('names the tensor, the count and the place of weights that are not finite', async () => {
    const checkpoint = toyCheckpoint();
    for (const bad of [NaN, Infinity, -Infinity]) {
      const poisoned: Checkpoint = {
        ...checkpoint,
        readFloat32: async (name) => {
          const values = await checkpoint.readFloat32(name);
          if (name === 'blocks.2.ffn.key.weight') values.fill(bad, 5, 8);
          return values;
        },
      };
      await assert.rejects(
        SpikeGPT.load(poisoned),
        /"blocks\.2\.ffn\.key\.weight".*not all finite.*got 3 of 1024 NaN or infinite, the first at element 5/,
      );
    }
  });

  it('refuses an unknown backend with the ones there are', async () => {
    await assert.rejects(startBackend('quantum'), (error: Error) => {
      assert.ok(error instanceof BackendError);
      assert.match(error.message, /got "quantum"; expected auto, tensorflow, wasm, cpu/);
      return true;
    });
  });

  it('reports why auto passed over the backends before the one it took', async () => {
    const report = await startBackend('auto');
    assert.ok(['tensorflow', 'wasm'].includes(report.name));
    if (report.name === 'wasm') assert.deepEqual(report.passedOver.length, 1);
  });
});
