import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { layerNorm } from '../../src/backend/kernels/ops.js';
import { startBackend } from '../../src/backend/start.js';
import { generate, sample } from '../../src/model/generate.js';
import { observe } from '../../src/model/observe.js';
import type { TokenBatch } from '../../src/model/types.js';
import { ModelError, UsageError } from '../../src/util/errors.js';
import { TESTED_BACKENDS } from '../support/native.js';
import { type SpikeGPT } from '../support/spikegpt.js';
import { someTokens, TOY, toyCheckpoint, withToy } from '../support/toy.js';

/** The stream after the last stage by the recurrent form, fed in pieces of the given lengths. */
function recurrent(model: SpikeGPT, ids: Int32Array, batch: number, pieces: number[]): tf.Tensor {
  const form = model.network.recurrent!;
  const time = ids.length / batch;
  let state = form.start(batch);
  const parts: tf.Tensor[] = [];
  let from = 0;
  for (const length of pieces) {
    const cut = Int32Array.from({ length: batch * length }, (_, index) => {
      const sequence = Math.floor(index / length);
      return ids[sequence * time + from + (index % length)];
    });
    const result = form.step({ ids: cut, batch, time: length }, state);
    form.dispose(state);
    state = result.state;
    parts.push(result.stream);
    from += length;
  }
  form.dispose(state);
  const joined = tf.concat(parts, 1);
  tf.dispose(parts);
  return joined;
}

/** The same by the parallel form. */
function parallel({ network, description }: SpikeGPT, tokens: TokenBatch): tf.Tensor {
  return tf.tidy(() =>
    network.runStages(network.embed(tokens), 0, description.layout.stages.length, tokens),
  );
}

/** What ln_out makes of a stream, which is disposed: the hidden states that logits are taken from. */
async function hiddenStates(stream: tf.Tensor, ffnPre: boolean): Promise<ArrayLike<number>> {
  const checkpoint = toyCheckpoint({ ffnPre });
  const [weight, bias] = await Promise.all(
    ['weight', 'bias'].map((part) => checkpoint.readFloat32(`ln_out.${part}`)),
  );
  const normalized = tf.tidy(() =>
    layerNorm(stream as tf.Tensor3D, tf.tensor1d(weight), tf.tensor1d(bias)),
  );
  const values = normalized.dataSync();
  tf.dispose([stream, normalized]);
  return values;
}

async function collect(
  model: SpikeGPT,
  options: Partial<Parameters<typeof generate>[2]>,
): Promise<number[]> {
  const tokens: number[] = [];
  for await (const token of generate(model, Int32Array.of(5, 9, 2), { length: 20, ...options }))
    tokens.push(token);
  return tokens;
}

for (const backend of TESTED_BACKENDS)
  describe(`forms of SpikeGPT, ${backend}`, () => {
    before(() => startBackend(backend));

    for (const ffnPre of [false, true])
      it(`recurrent and parallel forms agree, cut anywhere${ffnPre ? ', ffnPre' : ''}`, () =>
        withToy(
          async (model) => {
            const [batch, time] = [2, 24];
            const ids = someTokens(batch, time, TOY.vocabSize);
            const expected = await hiddenStates(parallel(model, { ids, batch, time }), ffnPre);
            for (const pieces of [[24], [1, 23], [7, 1, 16], Array<number>(24).fill(1)]) {
              const actual = await hiddenStates(recurrent(model, ids, batch, pieces), ffnPre);
              assert.equal(actual.length, expected.length);
              const worst = Array.from(actual).reduce(
                (most, value, index) => Math.max(most, Math.abs(value - expected[index])),
                0,
              );
              assert.ok(worst < 1e-4, `pieces ${pieces.join('+')}: off by ${worst}`);
            }
          },
          { ffnPre },
        ));

    it('gives each sequence the same bits in any batch', () =>
      withToy(async (model) => {
        const time = 13;
        const ids = someTokens(5, time, TOY.vocabSize);
        const targets = someTokens(5, time, TOY.vocabSize, 4);
        const together = await model.tokenNll({ ids, batch: 5, time }, targets);
        for (let n = 0; n < 5; n++) {
          const [from, to] = [n * time, (n + 1) * time];
          const alone = await model.tokenNll(
            { ids: ids.slice(from, to), batch: 1, time },
            targets.slice(from, to),
          );
          assert.deepEqual(alone, together.slice(from, to));
        }
      }));

    it('padding changes no class logits, unless it is pooled', () =>
      withToy(async (model) => {
        const ids = someTokens(1, 9, TOY.vocabSize);
        const padded = new Int32Array(14).fill(1);
        padded.set(ids);
        const lengths = Int32Array.of(9);
        const plain = { ids, batch: 1, time: 9 };
        const long = { ids: padded, batch: 1, time: 14 };
        const alone = await model.classLogits(plain, lengths, 'real-tokens');
        assert.deepEqual(await model.classLogits(long, lengths, 'real-tokens'), alone);
        assert.notDeepEqual(await model.classLogits(long, lengths, 'all-positions'), alone);
      }));

    it('leaks no tensor over 100 forward passes', () =>
      withToy(async (model) => {
        const batch = { ids: someTokens(2, 11, TOY.vocabSize), batch: 2, time: 11 };
        const before = tf.memory();
        for (let pass = 0; pass < 100; pass++) {
          await model.tokenNll(batch, batch.ids);
          await model.classLogits(batch, Int32Array.of(11, 4), 'real-tokens');
          await observe(model, batch, {
            logits: true,
            spikes: true,
            residuals: true,
            firingRates: true,
          });
        }
        await collect(model, { temperature: 0 });
        const after = tf.memory();
        assert.equal(after.numTensors, before.numTensors);
        assert.equal(after.numDataBuffers, before.numDataBuffers);
        assert.equal(after.numBytes, before.numBytes);
      }));

    it('replaces a parameter, and the old value brings the old numbers back to the bit', () =>
      withToy(async (model) => {
        const batch = { ids: someTokens(1, 8, TOY.vocabSize), batch: 1, time: 8 };
        const name = 'blocks.1.att.value.weight';
        const before = await model.tokenNll(batch, batch.ids);
        const original = new Float32Array(TOY.width ** 2).map((_, index) => Math.sin(index));
        model.setParameter(name, original);
        const changed = await model.tokenNll(batch, batch.ids);
        assert.notDeepEqual(changed, before);
        model.setParameter(
          name,
          original.map((value) => 2 * value),
        );
        assert.notDeepEqual(await model.tokenNll(batch, batch.ids), changed);
        model.setParameter(name, original);
        assert.deepEqual(await model.tokenNll(batch, batch.ids), changed);
      }));

    it('generates the same tokens for the same seed, others for another, in the vocabulary', () =>
      withToy(async (model) => {
        const first = await collect(model, { seed: 7 });
        assert.equal(first.length, 20);
        assert.ok(first.every((token) => token >= 0 && token < TOY.vocabSize));
        assert.deepEqual(await collect(model, { seed: 7 }), first);
        assert.notDeepEqual(await collect(model, { seed: 8 }), first);
      }));

    it('generates greedily what the parallel form finds likeliest', () =>
      withToy(async (model) => {
        const tokens = [5, 9, 2];
        for (const token of await collect(model, { temperature: 0, length: 6 })) {
          const ids = Int32Array.from(tokens);
          const batch = { ids, batch: 1, time: ids.length };
          const { logits } = await observe(model, batch, { logits: true });
          const last = logits!.slice(-TOY.vocabSize);
          assert.equal(last.indexOf(Math.max(...last)), token);
          tokens.push(token);
        }
      }));

    it('never draws a forbidden token and ends at the stop token', () =>
      withToy(async (model) => {
        const free = await collect(model, { temperature: 0, length: 3 });
        const without = await collect(model, { temperature: 0, length: 3, forbidden: [free[0]] });
        assert.ok(!without.includes(free[0]));
        assert.deepEqual(await collect(model, { temperature: 0, stopToken: free[0] }), []);
      }));

    it('names the token, and where it stands, that the vocabulary lacks', () =>
      withToy(async (model) => {
        const ids = Int32Array.of(1, 2, 3, TOY.vocabSize);
        await assert.rejects(
          model.tokenNll({ ids, batch: 2, time: 2 }, Int32Array.of(1, 1, 1, 1)),
          (error: Error) => {
            assert.ok(error instanceof ModelError);
            assert.match(error.message, /sequence 1, position 1.*token 61.*expected 0 to 60/);
            return true;
          },
        );
      }));

    it('refuses an empty batch, wrong lengths, a missing classifier or head', async () => {
      await withToy(async (model) => {
        const batch = { ids: Int32Array.of(1, 2), batch: 1, time: 2 };
        await assert.rejects(
          model.tokenNll({ ids: new Int32Array(0), batch: 0, time: 0 }, new Int32Array(0)),
          ModelError,
        );
        for (const length of [0, 3])
          await assert.rejects(
            model.classLogits(batch, Int32Array.of(length), 'real-tokens'),
            ModelError,
          );
      });
      await withToy(
        async (model) => {
          const batch = { ids: Int32Array.of(1, 2), batch: 1, time: 2 };
          await assert.rejects(model.tokenNll(batch, batch.ids), /no language-model head/);
          await assert.rejects(
            model.classLogits(batch, Int32Array.of(2), 'real-tokens'),
            /no classifier/,
          );
        },
        { head: false, classes: 0 },
      );
    });

    it('refuses generation options out of range, and an empty prompt', () =>
      withToy(async (model) => {
        for (const options of [{ temperature: -1 }, { topP: 0 }, { topP: 1.1 }, { length: 1.5 }])
          await assert.rejects(collect(model, options), UsageError);
        await assert.rejects(
          generate(model, new Int32Array(0), { length: 1 }).next(),
          /empty prompt/,
        );
      }));
  });

describe('nucleus sampling', () => {
  // Probabilities 0.5, 0.25, 0.125, 0.125.
  const logits = Float32Array.of(Math.log(4), Math.log(2), 0, 0);

  it('draws in proportion to the probabilities', () => {
    const draws = [0, 0.49, 0.51, 0.74, 0.76, 0.87, 0.88, 0.99];
    assert.deepEqual(
      draws.map((draw) => sample(logits, 1, 1, draw)),
      [0, 0, 1, 1, 2, 2, 3, 3],
    );
  });

  it('keeps the smallest set that reaches top-p', () => {
    assert.equal(sample(logits, 1, 0.5, 0.999), 0);
    assert.equal(sample(logits, 1, 0.6, 0.999), 1);
    assert.equal(sample(logits, 1, 0.6, 0.6), 0);
  });

  it('sharpens with a low temperature and flattens with a high one', () => {
    assert.equal(sample(logits, 0.1, 1, 0.99), 0);
    assert.equal(sample(logits, 1e6, 1, 0.3), 1);
  });
});
