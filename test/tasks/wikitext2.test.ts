import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readTextFile } from '../../src/tasks/data/text.js';
import { wikitext2Task, type Wikitext2Options } from '../../src/tasks/wikitext2.js';
import { cutWindows, type Window } from '../../src/tasks/windows.js';
import { loadTokenizer } from '../../src/tokenizer/tokenizer.js';
import { AbortedError, DataError, ModelError, UsageError } from '../../src/util/errors.js';
import type { ProgressEvent } from '../../src/util/progress.js';
import { itShared } from '../support/shared.js';
import { fakeLanguageModel, lettersTokenizer, mixed } from './fakes.js';

function task(
  text: string,
  options: Partial<Wikitext2Options> = {},
): ReturnType<typeof wikitext2Task> {
  return wikitext2Task({ text, tokenizer: lettersTokenizer, source: 'test', ...options });
}

function near(actual: number, expected: number, tolerance = 1e-6): void {
  assert.ok(
    Math.abs(actual - expected) <= tolerance * Math.abs(expected),
    `${actual}, not ${expected}`,
  );
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz'; // 25 predictions
const text = fc.string({
  unit: fc.constantFrom('a', 'b', 'c', ' ', 'é'),
  minLength: 3,
  maxLength: 60,
});
const letters = text.filter((one) => one.trim().length > 0);
/** Any context from 1, and any stride up to it. */
const setting = fc
  .integer({ min: 1, max: 20 })
  .chain((context) =>
    fc.record({ context: fc.constant(context), stride: fc.integer({ min: 1, max: context }) }),
  );

describe('windows', () => {
  const cut = (predictions: number, context: number, stride: number, tail: 'drop' | 'keep') =>
    cutWindows(predictions, { context, stride, tail }).map(
      ({ start, end, scoredFrom }: Window) => `${start}-${end} from ${scoredFrom}`,
    );

  it('without overlap', () => {
    assert.deepEqual(cut(11, 4, 4, 'drop'), ['0-4 from 0', '4-8 from 4']);
    assert.deepEqual(cut(11, 4, 4, 'keep'), ['0-4 from 0', '4-8 from 4', '8-11 from 8']);
    assert.deepEqual(cut(12, 4, 4, 'keep'), cut(12, 4, 4, 'drop'));
  });

  it('with overlap', () => {
    assert.deepEqual(cut(9, 4, 2, 'drop'), ['0-4 from 0', '2-6 from 4', '4-8 from 6']);
    assert.deepEqual(cut(9, 4, 2, 'keep'), [
      ...['0-4 from 0', '2-6 from 4', '4-8 from 6'],
      '6-9 from 8',
    ]);
  });

  it('shorter than one window', () => {
    assert.deepEqual(cut(3, 4, 2, 'drop'), ['0-3 from 0']);
    assert.deepEqual(cut(3, 4, 4, 'keep'), ['0-3 from 0']);
  });

  it('score each input once, in order, with as much context as the stride allows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), setting, fc.boolean(), (n, sizes, keep) => {
        const windows = cutWindows(n, { ...sizes, tail: keep ? 'keep' : 'drop' });
        let next = 0;
        for (const { start, end, scoredFrom } of windows) {
          assert.equal(scoredFrom, next);
          assert.ok(start <= scoredFrom && scoredFrom < end && end <= n);
          if (start > 0) assert.ok(scoredFrom - start >= sizes.context - sizes.stride);
          next = end;
        }
        if (keep) assert.equal(next, n);
        else if (n >= sizes.context) assert.ok(n - next < sizes.stride);
      }),
    );
  });
});

describe('WikiText-2 task', () => {
  it('a uniform model has the vocabulary size as perplexity', async () => {
    const model = fakeLanguageModel(() => Math.log(28));
    const measurement = await task(ALPHABET, { context: 5 }).evaluate(model);
    near(measurement.value, 28);
    near(measurement.meanNll, Math.log(28));
    near(measurement.bitsPerByte, Math.log2(28)); // one byte a token
    near(measurement.interval.low, 28);
    near(measurement.interval.high, 28);
    assert.deepEqual([measurement.items, measurement.tokens], [5, 25]);
    assert.deepEqual(measurement.windowTokens, [5, 5, 5, 5, 5]);
    assert.ok(!('beyondContext' in measurement));
  });

  it('a bigram model by hand', async () => {
    // P(b|a) = 3/4, P(a|b) = P(b|b) = 1/2. "abbab": P = 3/4 · 1/2 · 1/2 · 3/4 = 9/64.
    const probability = (last: number, next: number): number => {
      if (last === 1) return 1 / 2;
      return next === 1 ? 3 / 4 : 1 / 4;
    };
    const model = fakeLanguageModel(
      (prefix, target) => -Math.log(probability(prefix.at(-1)!, target)),
    );
    const measurement = await task('abbab', { context: 2 }).evaluate(model);
    near(measurement.value, (64 / 9) ** (1 / 4));
    near(measurement.bitsPerByte, Math.log2(64 / 9) / 4);
    near(measurement.windowNll[0], Math.log(8 / 3));
    near(measurement.windowNll[1], Math.log(8 / 3));
  });

  it('shifts targets by one and clears the state at each window', async () => {
    const seen: [string, number][] = [];
    const model = fakeLanguageModel((prefix, target) => {
      seen.push([Array.from(prefix).join(' '), target]);
      return 1;
    });
    await task('abcdef', { context: 2 }).evaluate(model);
    assert.deepEqual(seen, [
      ['0', 1],
      ['0 1', 2],
      ['2', 3],
      ['2 3', 4],
    ]);
  });

  it('scores the first window in full and the last positions of the others', async () => {
    // The NLL says at which position of its window a token was predicted.
    const model = fakeLanguageModel((_prefix, _target, position) => position);
    const strided = task(ALPHABET, { context: 4, stride: 2, limitTokens: 9, tail: 'keep' });
    const { windowNll, windowTokens } = await strided.evaluate(model);
    assert.deepEqual(windowNll, [0 + 1 + 2 + 3, 2 + 3, 2 + 3, 2]);
    assert.deepEqual(windowTokens, [4, 2, 2, 1]);
  });

  it('drops a tail or keeps it, and says how many tokens are left out', async () => {
    const dropped = task(ALPHABET, { context: 10 });
    assert.deepEqual([dropped.items, dropped.tokens, dropped.tokensLeftOut], [2, 20, 5]);
    const kept = task(ALPHABET, { context: 10, tail: 'keep' });
    assert.deepEqual([kept.items, kept.tokens, kept.tokensLeftOut], [3, 25, 0]);
    assert.notEqual(dropped.id, kept.id);
    const model = fakeLanguageModel((prefix) => prefix.length);
    assert.deepEqual((await kept.evaluate(model)).windowNll, [55, 55, 15]);
  });

  it('a limit counts predicted tokens, as whole windows', () => {
    const limited = task(ALPHABET, { context: 4, limitTokens: 11 });
    assert.deepEqual([limited.items, limited.tokens, limited.tokensLeftOut], [2, 8, 3]);
    assert.equal(task(ALPHABET, { context: 4, limitTokens: 8 }).tokens, 8);
    assert.equal(task(ALPHABET, { context: 4, limitTokens: 999 }).tokens, 24);
  });

  it('counts the bytes of exactly the predicted tokens', async () => {
    // "é" twice, once as the first token, which is not predicted; the tail "a" is dropped.
    const one = task('ébébaa', { context: 4 });
    assert.equal(one.bytes, 5);
    const measurement = await one.evaluate(fakeLanguageModel(() => Math.LN2));
    near(measurement.bitsPerByte, 4 / 5);
  });

  it('evaluates a text shorter than a window as one short window', async () => {
    const one = task('abcd', { context: 256 });
    assert.deepEqual([one.items, one.tokens, one.tokensLeftOut], [1, 3, 0]);
    const measurement = await one.evaluate(fakeLanguageModel((_, target) => target));
    assert.equal(measurement.meanNll, 2);
    // Tokens as units: NLLs 1, 2, 3, so SE √(1/3).
    near(measurement.interval.high, Math.exp(2 + 1.959963984540054 * Math.sqrt(1 / 3)));
  });

  it('gives bit-identical results for every batch size', async () => {
    const model = fakeLanguageModel((prefix, target) => 3 * mixed([...prefix, target]));
    await fc.assert(
      fc.asyncProperty(
        letters,
        setting,
        fc.integer({ min: 1, max: 300 }),
        async (one, sizes, batchTokens) => {
          const [plain, batched] = [task(one, sizes), task(one, { ...sizes, batchTokens })];
          const [a, b] = [await plain.evaluate(model), await batched.evaluate(model)];
          assert.deepEqual({ ...b, seconds: 0 }, { ...a, seconds: 0 });
          assert.equal(plain.id, batched.id);
        },
      ),
    );
  });

  it('has an id that follows the tokens and the windows', () => {
    const ids = [
      task(ALPHABET, { context: 4 }),
      task(ALPHABET, { context: 5 }),
      task(ALPHABET, { context: 4, stride: 2 }),
      task(ALPHABET, { context: 4, limitTokens: 8 }),
      task(ALPHABET.replace('b', 'c'), { context: 4 }),
    ].map(({ id }) => id);
    assert.equal(new Set(ids).size, 5);
    assert.equal(task(ALPHABET, { context: 4, source: 'elsewhere', limitTokens: 24 }).id, ids[0]);
  });

  it('reports windows beyond the context of the model', async () => {
    const model = fakeLanguageModel(() => 1, { contextLength: 4 });
    assert.equal((await task(ALPHABET, { context: 5 }).evaluate(model)).beyondContext, 5);
    assert.equal((await task(ALPHABET, { context: 4 }).evaluate(model)).beyondContext, undefined);
  });

  it('keeps a hopeless perplexity finite', async () => {
    const { value } = await task(ALPHABET, { context: 5 }).evaluate(fakeLanguageModel(() => 1e4));
    assert.equal(value, Number.MAX_VALUE);
  });

  it('reports progress up to the last token', async () => {
    const events: ProgressEvent[] = [];
    await task(ALPHABET, { context: 5, batchTokens: 10 }).evaluate(
      fakeLanguageModel(() => Math.LN2),
      {
        onProgress: (event) => events.push(event),
      },
    );
    assert.deepEqual(
      events.map(({ done, total, unit, note }) => [done, total, unit, note]),
      [
        [0, 25, 'tokens', undefined],
        [10, 25, 'tokens', 'perplexity 2.000'],
        [20, 25, 'tokens', 'perplexity 2.000'],
        [25, 25, 'tokens', 'perplexity 2.000'],
      ],
    );
  });

  it('stops between batches when asked to', async () => {
    const controller = new AbortController();
    const model = fakeLanguageModel(() => 1);
    setImmediate(() => controller.abort());
    const run = task(ALPHABET, { context: 5, batchTokens: 5 }).evaluate(model, {
      signal: controller.signal,
    });
    await assert.rejects(run, AbortedError);
    assert.equal(model.batches.length, 1);
  });

  for (const broken of [NaN, Infinity]) {
    it(`refuses a likelihood that is ${broken} and names the window`, async () => {
      const model = fakeLanguageModel((_, target) => (target === 7 ? broken : 1));
      await assert.rejects(task(ALPHABET, { context: 5 }).evaluate(model), (error) => {
        assert.ok(error instanceof ModelError);
        // Token 7 is "h", the eighth letter; its input "g" lies in the window f to j.
        assert.equal(error.detail.where, 'window 2, token 8 of test');
        assert.equal(error.detail.got, String(broken));
        return true;
      });
    });
  }

  it('refuses a model that cannot answer', async () => {
    // The largest token, "z", is only ever a target.
    const small = fakeLanguageModel(() => 1, { vocabSize: 25 });
    await assert.rejects(task(ALPHABET, { context: 5 }).evaluate(small), ModelError);
    const model = { ...small, vocabSize: 26, tokenNll: () => Promise.resolve(new Float32Array(3)) };
    await assert.rejects(task(ALPHABET, { context: 5 }).evaluate(model), /wrong number of values/);
  });

  it('refuses a text it cannot use', () => {
    const what = (one: string, options: Partial<Wikitext2Options> = {}): string => {
      try {
        task(one, options);
      } catch (error) {
        assert.ok(error instanceof DataError, String(error));
        assert.equal(error.detail.where, 'test');
        return error.detail.what;
      }
      assert.fail('nothing was thrown');
    };
    assert.equal(what(''), 'empty text');
    assert.equal(what(' \n '), 'empty text');
    assert.equal(what('a'), 'text is too short');
    assert.equal(what('ab'), 'text is too short');
    assert.equal(what(ALPHABET, { limitTokens: 1 }), 'text is too short');
  });

  it('refuses settings that make no sense', () => {
    const wrong: Partial<Wikitext2Options>[] = [
      ...[{ context: 0 }, { context: 2.5 }, { stride: 0 }, { context: 4, stride: 5 }],
      ...[{ limitTokens: 0 }, { limitTokens: NaN }, { batchTokens: 0 }],
    ];
    for (const options of wrong) assert.throws(() => task(ALPHABET, options), UsageError);
  });

  // Tokens and bytes: the Python tokenizer that trained the vocabulary gives 351,793 tokens and, for
  // those predicted, 1,256,299 bytes. 351,744 is also what the PyTorch reference evaluates.
  itShared(
    'cuts WikiText-2 test as the reference does',
    ['data/wikitext2/test.txt', 'models/tokenizer.json'],
    async (data, tokenizerFile) => {
      const tokenizer = await loadTokenizer(tokenizerFile);
      const options = { text: await readTextFile(data), tokenizer };
      const one = task('', options);
      assert.deepEqual([one.context, one.stride], [256, 256]);
      assert.deepEqual([one.items, one.tokens, one.tokensLeftOut], [1374, 351_744, 48]);
      assert.equal(one.bytes, 1_256_299);
      const model = fakeLanguageModel(() => Math.log(4096), { vocabSize: 4096 });
      const measurement = await one.evaluate(model);
      near(measurement.value, 4096);
      near(measurement.bitsPerByte, (12 * 351_744) / 1_256_299);
      assert.ok(model.batches.every(({ ids }) => ids.length <= 2048));
      const limited = task('', { ...options, limitTokens: 16_384 });
      assert.deepEqual([limited.items, limited.tokens], [64, 16_384]);
    },
  );
});
