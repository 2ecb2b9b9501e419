import assert from 'node:assert/strict';
import fc from 'fast-check';
import { equalLengthBatches, lengthBucketedBatches } from '../../src/tasks/batching.js';
import { UsageError } from '../../src/util/errors.js';

const PADDING = 99;
const sequence = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 40 });
const sequences = fc.array(
  sequence.map((ids) => Int32Array.from(ids)),
  { maxLength: 30 },
);
const budget = fc.integer({ min: 1, max: 200 });

describe('batching', () => {
  it('sorts by length, keeps equal lengths in data order and fills up with padding', () => {
    const data = [[1, 2, 3], [4], [5, 6], [7]].map((ids) => Int32Array.from(ids));
    const batches = lengthBucketedBatches(data, { batchTokens: 4, paddingId: PADDING });
    const plain = batches.map(({ inputs, lengths, indices }) => ({
      rows: [inputs.batch, inputs.time],
      ids: Array.from(inputs.ids),
      lengths: Array.from(lengths),
      indices: Array.from(indices),
    }));
    assert.deepEqual(plain, [
      { rows: [2, 1], ids: [4, 7], lengths: [1, 1], indices: [1, 3] },
      { rows: [1, 2], ids: [5, 6], lengths: [2], indices: [2] },
      { rows: [1, 3], ids: [1, 2, 3], lengths: [3], indices: [0] },
    ]);
    const [all] = lengthBucketedBatches(data, { batchTokens: 12, paddingId: PADDING });
    assert.deepEqual(Array.from(all.inputs.ids), [4, 99, 99, 7, 99, 99, 5, 6, 99, 1, 2, 3]);
  });

  it('holds every sequence once and stays within the budget', () => {
    fc.assert(
      fc.property(sequences, budget, (data, batchTokens) => {
        const batches = lengthBucketedBatches(data, { batchTokens, paddingId: PADDING });
        const seen = data.map(() => 0);
        for (const { inputs, lengths, indices } of batches) {
          assert.ok(inputs.batch === 1 || inputs.batch * inputs.time <= batchTokens);
          assert.equal(inputs.ids.length, inputs.batch * inputs.time);
          assert.deepEqual(inputs.lengths, lengths);
          indices.forEach((index, row) => {
            seen[index]++;
            const ids = inputs.ids.subarray(row * inputs.time, (row + 1) * inputs.time);
            assert.deepEqual(ids.subarray(0, lengths[row]), data[index]);
            assert.ok(ids.subarray(lengths[row]).every((id) => id === PADDING));
          });
        }
        assert.ok(seen.every((times) => times === 1));
        assert.deepEqual(batches, lengthBucketedBatches(data, { batchTokens, paddingId: PADDING }));
      }),
    );
  });

  it('groups neighbours of equal length without padding', () => {
    fc.assert(
      fc.property(sequences, budget, (data, batchTokens) => {
        const batches = equalLengthBatches(data, batchTokens);
        const order = batches.flatMap(({ indices }) => Array.from(indices));
        assert.deepEqual(order, Array.from(data.keys()));
        for (const { inputs, lengths, indices } of batches) {
          assert.ok(lengths.every((length) => length === inputs.time));
          assert.ok(inputs.batch === 1 || inputs.batch * inputs.time <= batchTokens);
          const rows = Array.from(indices, (index) => Array.from(data[index]));
          assert.deepEqual(Array.from(inputs.ids), rows.flat());
        }
      }),
    );
  });

  it('fills a batch as far as the budget goes', () => {
    const data = Array.from({ length: 5 }, () => new Int32Array(4));
    assert.deepEqual(
      equalLengthBatches(data, 11).map(({ inputs }) => inputs.batch),
      [2, 2, 1],
    );
    assert.deepEqual(
      equalLengthBatches([...data, new Int32Array(3)], 16).map(({ inputs }) => inputs.batch),
      [3, 2, 1],
    );
    assert.deepEqual(
      lengthBucketedBatches(data, { batchTokens: 12, paddingId: 0 }).map((b) => b.inputs.batch),
      [3, 2],
    );
  });

  for (const batchTokens of [0, -1, 1.5, NaN, Infinity]) {
    it(`refuses ${batchTokens} tokens a batch`, () => {
      assert.throws(() => equalLengthBatches([], batchTokens), UsageError);
      assert.throws(() => lengthBucketedBatches([], { batchTokens, paddingId: 0 }), UsageError);
    });
  }
});
