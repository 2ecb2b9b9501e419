import assert from 'node:assert/strict';
import fc from 'fast-check';
import { dealBatches } from '../../../src/experiment/scoring/scorer-pool.js';

describe('batches among threads', () => {
  it('gives the next batch to the thread with the least tokens', () => {
    assert.deepEqual(dealBatches([4, 4, 4, 4], 2), [
      [0, 2],
      [1, 3],
    ]);
    assert.deepEqual(dealBatches([9, 3, 3, 3, 1], 2), [
      [0, 4],
      [1, 2, 3],
    ]);
    assert.deepEqual(dealBatches([5], 3), [[0], [], []]);
  });

  it('deals each batch once, in order, and no thread more than one batch ahead', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 2000 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 6 }),
        (tokens, seats) => {
          const shares = dealBatches(tokens, seats);
          assert.equal(shares.length, seats);
          const dealt = shares.flat().sort((a, b) => a - b);
          assert.deepEqual(dealt, [...tokens.keys()]);
          const load = (share: readonly number[]): number =>
            share.reduce((sum, index) => sum + tokens[index], 0);
          const loads = shares.map(load);
          const largest = Math.max(0, ...tokens);
          assert.ok(Math.max(...loads) - Math.min(...loads) <= largest);
          for (const share of shares)
            assert.deepEqual(
              share,
              [...share].sort((a, b) => a - b),
            );
        },
      ),
    );
  });
});
