import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readSst2Tsv, type LabelledSentence } from '../../src/tasks/data/tsv.js';
import { sst2Task, type Sst2Options } from '../../src/tasks/sst2.js';
import { loadTokenizer } from '../../src/tokenizer/tokenizer.js';
import { AbortedError, DataError, ModelError, UsageError } from '../../src/util/errors.js';
import type { ProgressEvent } from '../../src/util/progress.js';
import { itShared } from '../support/shared.js';
import { fakeClassifier, lettersTokenizer, mixed } from './fakes.js';

/** Positive where the number of tokens is odd. */
const parity = (tokens: Int32Array): number[] => (tokens.length % 2 === 1 ? [0, 1] : [1, 0]);

const EXAMPLES = [
  { sentence: 'a joy', label: 1 }, // 5 tokens: right
  { sentence: 'dull', label: 1 }, // 4: wrong
  { sentence: 'it is fine', label: 0 }, // 10: right
  { sentence: 'odd', label: 0 }, // 3: wrong
  { sentence: 'b', label: 1 }, // 1: right
];

function task(options: Partial<Sst2Options> = {}): ReturnType<typeof sst2Task> {
  const tokenizer = lettersTokenizer;
  return sst2Task({ examples: EXAMPLES, tokenizer, source: 'test', paddingId: 26, ...options });
}

const sentence = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 12 });
const example = fc.record({ sentence, label: fc.constantFrom(0, 1) });
const manyExamples = fc.array(example, { minLength: 1, maxLength: 25 });
const budget = fc.integer({ min: 1, max: 100 });

describe('SST-2 task', () => {
  it('measures accuracy in data order', async () => {
    const measurement = await task().evaluate(fakeClassifier(parity));
    assert.equal(measurement.metric, 'accuracy');
    assert.deepEqual(measurement.correct, [1, 0, 1, 0, 1]);
    assert.equal(measurement.value, 0.6);
    assert.equal(measurement.items, 5);
    assert.equal(measurement.tokens, 5 + 4 + 10 + 3 + 1);
    assert.equal(measurement.taskId, task().id);
    // Wilson for 3 of 5, python3: 0.2307, 0.8824.
    assert.ok(Math.abs(measurement.interval.low - 0.2307) < 1e-4);
    assert.ok(Math.abs(measurement.interval.high - 0.8824) < 1e-4);
    assert.ok(measurement.seconds >= 0);
    assert.ok(!('beyondContext' in measurement));
  });

  it('gives the same result for every batch size, with data order restored', async () => {
    await fc.assert(
      fc.asyncProperty(manyExamples, budget, async (examples, batchTokens) => {
        const model = fakeClassifier((tokens) => [mixed(tokens), 0.5]);
        const expected = examples.map(({ sentence: text, label }) =>
          (mixed(lettersTokenizer.encode(text)) >= 0.5 ? 0 : 1) === label ? 1 : 0,
        );
        const one = task({ examples, batchTokens });
        assert.deepEqual((await one.evaluate(model)).correct, expected);
        assert.equal(one.id, task({ examples }).id);
      }),
    );
  });

  it('prefers the smaller class where logits are equal', async () => {
    const { correct } = await task().evaluate(fakeClassifier(() => [0.5, 0.5]));
    assert.deepEqual(correct, [0, 0, 1, 1, 0]);
  });

  it('pads in the prototype’s pooling, where accuracy depends on the batches', async () => {
    const together = task({ pooling: 'all-positions', batchTokens: 1000 });
    const apart = task({ pooling: 'all-positions', batchTokens: 1 });
    const model = fakeClassifier(parity);
    // Together all are 10 positions long, an even number: class 0 for everyone.
    assert.deepEqual((await together.evaluate(model)).correct, [0, 0, 1, 1, 0]);
    assert.deepEqual((await apart.evaluate(model)).correct, [1, 0, 1, 0, 1]);
    assert.notEqual(together.id, apart.id);
  });

  it('has an id that follows the data and the settings, not the source', () => {
    const { id } = task();
    const others = [
      task({ limit: 4 }),
      task({ pooling: 'all-positions' }),
      task({ examples: EXAMPLES.map((one) => ({ ...one, label: 1 - one.label })) }),
      task({ examples: [...EXAMPLES].reverse() }),
    ].map((other) => other.id);
    assert.equal(new Set([id, ...others]).size, 5);
    assert.equal(task({ source: 'elsewhere', batchTokens: 3, paddingId: 0 }).id, id);
    assert.match(id, /^[0-9a-f]{64}$/);
  });

  it('takes the first sentences under a limit', async () => {
    const measurement = await task({ limit: 2 }).evaluate(fakeClassifier(parity));
    assert.deepEqual(measurement.correct, [1, 0]);
    assert.equal(task({ limit: 99 }).items, 5);
    for (const limit of [0, -3, 1.5, NaN]) assert.throws(() => task({ limit }), UsageError);
  });

  it('computes a sentence beyond the context in full, and counts it', async () => {
    const model = fakeClassifier(parity, { contextLength: 4 });
    const measurement = await task({ batchTokens: 4 }).evaluate(model);
    assert.equal(measurement.beyondContext, 2); // 5 and 10 tokens
    assert.deepEqual(measurement.correct, [1, 0, 1, 0, 1]);
    assert.equal(Math.max(...model.batches.map(({ time }) => time)), 10);
  });

  it('hands the model the same batches at each evaluation', async () => {
    const one = task({ batchTokens: 8 });
    const [first, second] = [fakeClassifier(parity), fakeClassifier(parity)];
    await one.evaluate(first);
    await one.evaluate(second);
    assert.ok(first.batches.length > 1);
    first.batches.forEach(({ ids }, i) => assert.equal(ids, second.batches[i].ids));
  });

  it('reports progress up to the last sentence', async () => {
    const events: ProgressEvent[] = [];
    const small = task({ batchTokens: 8 });
    await small.evaluate(fakeClassifier(parity), {
      onProgress: (event) => events.push(event),
    });
    // By tokens: sentences of a batch are of a length, and the long ones take longest.
    assert.deepEqual([events[0].done, events[0].total], [0, small.tokens]);
    const done = events.map((event) => event.done);
    assert.deepEqual(
      done,
      [...done].sort((a, b) => a - b),
    );
    assert.ok(events.length > 3);
    const last = events.at(-1)!;
    assert.deepEqual([last.done, last.unit, last.note], [small.tokens, 'tokens', 'accuracy 0.600']);
  });

  it('stops between batches when asked to', async () => {
    const controller = new AbortController();
    const model = fakeClassifier(parity);
    let events = 0;
    const run = task({ batchTokens: 1 }).evaluate(model, {
      signal: controller.signal,
      // The first is sent before any batch.
      onProgress: () => {
        if (++events === 3) controller.abort();
      },
    });
    await assert.rejects(run, AbortedError);
    assert.equal(model.batches.length, 2);
  });

  for (const broken of [NaN, Infinity, -Infinity]) {
    it(`refuses a logit that is ${broken} and names the sentence`, async () => {
      const model = fakeClassifier((tokens) => (tokens.length === 3 ? [0, broken] : [0, 1]));
      await assert.rejects(task().evaluate(model), (error) => {
        assert.ok(error instanceof ModelError);
        assert.equal(error.detail.where, 'sentence 4 of test');
        assert.equal(error.detail.got, String(broken));
        return true;
      });
    });
  }

  it('refuses models that cannot answer', async () => {
    const what = async (model: ReturnType<typeof fakeClassifier>): Promise<string> => {
      const error: unknown = await task()
        .evaluate(model)
        .catch((thrown: unknown) => thrown);
      assert.ok(error instanceof ModelError, String(error));
      return error.detail.what;
    };
    assert.match(await what(fakeClassifier(parity, { classes: 0 })), /no classifier/);
    assert.match(await what(fakeClassifier(parity, { classes: 3 })), /number of classes/);
    assert.match(await what(fakeClassifier(parity, { vocabSize: 24 })), /embedding does not know/);
    assert.match(await what(fakeClassifier(() => [1])), /wrong number of values/);
  });

  it('refuses data it cannot use', () => {
    const where = (examples: LabelledSentence[]): string => {
      try {
        task({ examples });
      } catch (error) {
        assert.ok(error instanceof DataError, String(error));
        return `${error.detail.what}: ${error.detail.where}`;
      }
      assert.fail('nothing was thrown');
    };
    const fine = { sentence: 'fine', label: 1 };
    assert.equal(where([]), 'no sentences: test');
    assert.equal(where([fine, { sentence: 'odd', label: 2 }]), 'wrong label: sentence 2 of test');
    assert.equal(where([fine, { sentence: 'odd', label: NaN }]), 'wrong label: sentence 2 of test');
    assert.equal(where([{ sentence: ' ', label: 0 }]), 'empty sentence: sentence 1 of test');
  });

  // 25,702 tokens, longest sentence 71: the Python tokenizer that trained the vocabulary.
  itShared(
    'encodes SST-2 dev as the reference does',
    ['data/sst2/dev.tsv', 'models/tokenizer.json'],
    async (data, tokenizerFile) => {
      const tokenizer = await loadTokenizer(tokenizerFile);
      const one = task({ examples: await readSst2Tsv(data), tokenizer, paddingId: 1 });
      assert.deepEqual([one.items, one.tokens], [872, 25_702]);
      const model = fakeClassifier(() => [0, 1], { vocabSize: tokenizer.vocabSize });
      const { value } = await one.evaluate(model);
      assert.equal(value, 444 / 872);
      assert.equal(Math.max(...model.batches.map(({ time }) => time)), 71);
      assert.ok(model.batches.every(({ ids }) => ids.length <= 2048));
    },
  );
});
