import assert from 'node:assert/strict';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { countOperations } from '../../src/energy/operations.js';
import { addOperations } from '../../src/layout/operations.js';
import { observe } from '../../src/model/observe.js';
import { EnergyError } from '../../src/util/errors.js';
import { GOLDEN_NAMES } from '../support/golden.js';
import { itShared } from '../support/shared.js';
import { deriveConfig, type ModelConfig, modelOf } from '../support/spikegpt.js';
import { openBundled, someTokens, TOY, toyCheckpoint, withToy } from '../support/toy.js';
import { countedForward } from './counted-forward.js';
import { SPIKEGPT_216M, spikingLayers } from './support.js';

/** One block, two channels, a head of five tokens. */
const TINY: ModelConfig = {
  ...TOY,
  vocabSize: 5,
  width: 2,
  hiddenWidth: 8,
  layers: 1,
  classes: 0,
};

describe('energy: operations', () => {
  it('are those counted by hand', () => {
    const { products, macs, elementwise } = countOperations(modelOf(TINY));
    assert.deepEqual(
      products.map((product) => [product.matrix.path, product.macs]),
      [
        ['attention.0/SRWKV/key', 4],
        ['attention.0/SRWKV/value', 4],
        ['attention.0/SRWKV/receptance', 4],
        ['attention.0/SRWKV/output', 4],
        ['attention.0/SRFFN/key', 16],
        ['attention.0/SRFFN/value', 16],
        ['attention.0/SRFFN/receptance', 4],
        ['output/head/head', 10],
      ],
    );
    assert.equal(macs, 62);
    // Four norms; the mixes of two inputs and three; two gates and eight squares; two layers of neurons.
    const none = { additions: 0, multiplications: 0, divisions: 0, functions: 0, comparisons: 0 };
    assert.deepEqual(
      elementwise,
      Object.entries({
        embedding: { ...none, comparisons: 2 },
        'layer norm': { ...none, additions: 36, multiplications: 32, divisions: 4, functions: 4 },
        'token shift': { ...none, additions: 10, multiplications: 20 },
        WKV: { additions: 20, multiplications: 12, divisions: 2, functions: 8, comparisons: 4 },
        'gates and squares': {
          additions: 4,
          multiplications: 12,
          divisions: 4,
          functions: 4,
          comparisons: 8,
        },
        'LIF and residual': { ...none, additions: 12, multiplications: 4, comparisons: 4 },
        pooling: none,
      }),
    );
  });

  for (const [name, change] of Object.entries({
    'a head': { classes: 0 },
    'a classifier': { classes: 2 },
    'a dense embedding': { classes: 0, embedding: 'dense' as const },
    'ffnPre in block 0': { classes: 0, ffnPre: true },
  }))
    it(`are those of a program that computes the model, with ${name}`, async () => {
      await startBackend('cpu');
      const config = { ...TOY, ...change };
      const time = 7;
      const ids = someTokens(1, time, config.vocabSize);
      const { logits, tally } = await countedForward(toyCheckpoint(change), config, [...ids]);
      await withToy(async (model) => {
        const lengths = Int32Array.of(time);
        const classifies = config.classes > 0;
        const seen = await observe(
          model,
          { ids, batch: 1, time },
          classifies ? { classLengths: lengths } : { logits: true },
        );
        const expected = (classifies ? seen.classLogits : seen.logits)!.slice(-logits.length);
        logits.forEach((value, index) => assert.ok(Math.abs(value - expected[index]) < 1e-3));
      }, change);

      const counted = countOperations(modelOf(config), { sentenceTokens: time });
      const { macs } = tally;
      assert.ok(Math.abs(time * counted.macs - macs) < 1e-6, `${time * counted.macs}, not ${macs}`);
      const all = addOperations(...counted.elementwise.map(([, part]) => part));
      for (const kind of Object.keys(all) as (keyof typeof all)[])
        assert.ok(
          Math.abs(time * all[kind] - tally[kind]) < 1e-6,
          `${kind}: ${time * all[kind]}, not ${tally[kind]}`,
        );
    });

  for (const name of GOLDEN_NAMES)
    itShared(
      `multiply once with each value of the matrices of ${name}`,
      [`golden/${name}.pth`],
      async (path) => {
        const checkpoint = await openCheckpoint(path);
        try {
          const { config } = await deriveConfig(checkpoint);
          // Every two-dimensional weight but the embedding, of which a row is looked up.
          const matrices = [...checkpoint.tensors.values()].filter(
            ({ name, shape }) => shape.length === 2 && /\.weight$/.test(name),
          );
          const used = matrices.filter(
            ({ name }) => name !== 'emb.weight' && !(config.classes > 0 && name === 'head.weight'),
          );
          const values = used.reduce((total, { shape }) => total + shape[0] * shape[1], 0);
          assert.ok(used.length >= 7 * config.layers);
          assert.equal(countOperations(modelOf(config)).macs, values);
        } finally {
          await checkpoint.close();
        }
      },
    );

  it('multiply once with each value of the matrices of the bundled models', async () => {
    for (const [name, expected] of [
      // Parameters of the model cards less embedding, vectors and, for the classifier, the unused head.
      ['spikegpt-mini', 6 * 13 * 192 ** 2 + 4096 * 192],
      ['spikegpt-mini-sst2', 6 * 13 * 192 ** 2 + 2 * 192],
    ] as const) {
      const checkpoint = await openBundled(name);
      const { config } = await deriveConfig(checkpoint);
      await checkpoint.close();
      assert.equal(countOperations(modelOf(config)).macs, expected);
    }
  });

  it('are 176.6 million multiply–accumulates a token for SpikeGPT-216M', () => {
    const { macs, products } = countOperations(modelOf(SPIKEGPT_216M));
    // 18 blocks of 13 · 768², and the head.
    assert.equal(macs, 18 * 13 * 768 ** 2 + 50277 * 768);
    assert.equal(macs, 176_631_552);
    const head = products.find(({ matrix }) => matrix.matrix === 'head')!;
    assert.equal(head.macs, 38_612_736);
  });

  it('count a classifier once a sentence', () => {
    const config = { ...TINY, classes: 3 };
    const [once, spread] = [1, 12].map((sentenceTokens) =>
      countOperations(modelOf(config), { sentenceTokens }).products.at(-1)!,
    );
    assert.deepEqual([once.matrix.matrix, once.macs, spread.macs], ['classifier', 6, 0.5]);
    for (const sentenceTokens of [0, NaN, Infinity])
      assert.throws(() => countOperations(modelOf(config), { sentenceTokens }), EnergyError);
  });

  it('know which spiking layer feeds which product', () => {
    const sources = (config: ModelConfig): Record<string, string | undefined> =>
      Object.fromEntries(
        countOperations(modelOf(config)).products.map(({ matrix, spikesOf }) => [
          matrix.path,
          spikesOf,
        ]),
      );
    const two = sources({ ...TINY, layers: 2 });
    assert.equal(two['attention.0/SRWKV/key'], 'input/embedding');
    assert.equal(two['attention.0/SRWKV/output'], undefined);
    assert.equal(two['attention.0/SRFFN/key'], 'attention.0/SRWKV');
    assert.equal(two['attention.0/SRFFN/receptance'], 'attention.0/SRWKV');
    assert.equal(two['attention.0/SRFFN/value'], undefined);
    assert.equal(two['attention.1/SRWKV/value'], 'attention.0/SRFFN');
    assert.equal(two['output/head/head'], 'attention.1/SRFFN');
    const pre = sources({ ...TINY, ffnPre: true, embedding: 'dense', classes: 2 });
    assert.equal(pre['attention.0/SRFFN-pre/key'], undefined);
    assert.equal(pre['attention.0/SRFFN/key'], 'attention.0/SRFFN-pre');
    assert.equal(pre['output/head/classifier'], undefined);
  });

  it('list the layers that spike', () => {
    assert.deepEqual(spikingLayers(TINY), [
      'input/embedding',
      'attention.0/SRWKV',
      'attention.0/SRFFN',
    ]);
    assert.deepEqual(spikingLayers({ ...TINY, embedding: 'dense', ffnPre: true }), [
      'attention.0/SRFFN-pre',
      'attention.0/SRFFN',
    ]);
  });
});
