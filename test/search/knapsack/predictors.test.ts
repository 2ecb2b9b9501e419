import assert from 'node:assert/strict';
import { predict, rankCorrelation } from '../../../src/search/knapsack/predictors.js';
import type { SensitivityRow, SensitivityTable } from '../../../src/search/sensitivity.js';
import { FULL_PRECISION, type SearchSpace } from '../../../src/search/space.js';

const near = (actual: number, expected: number): void => {
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual}, not ${expected}`);
};

describe('rank correlation', () => {
  it('is that of ranks, whatever the values', () => {
    near(rankCorrelation([1, 2, 3, 4], [10, 20, 1000, 2000]), 1);
    near(rankCorrelation([1, 2, 3, 4], [4, 3, 2, 1]), -1);
    // 1 − 6 Σ d² / (n (n² − 1)) without equals: d = 0, 1, 1, 0.
    near(rankCorrelation([1, 2, 3, 4], [1, 3, 2, 4]), 1 - (6 * 2) / (4 * 15));
  });

  it('gives equals the mean of their ranks', () => {
    // Ranks 1.5, 1.5, 3 and 1, 2, 3: scipy.stats.spearmanr gives √3 / 2.
    near(rankCorrelation([5, 5, 9], [1, 2, 3]), Math.sqrt(3) / 2);
    assert.ok(Number.isNaN(rankCorrelation([1, 1, 1], [1, 2, 3])));
  });
});

describe('predict', () => {
  const space: SearchSpace = {
    units: ['a', 'b'].map((id) => ({ id, block: id, module: id })) as never,
    bytes: (plan) => ['a', 'b'].reduce((sum, id) => sum + plan.bitsOf(id), 0),
  };
  const row = (unit: string, bits: number, loss: number, kl: number): SensitivityRow => ({
    ...{ level: 'block', unit, bits, metric: 1 - loss, loss },
    bytes: FULL_PRECISION + bits,
    extras: { kl },
  });
  const table: SensitivityTable = {
    metric: 'accuracy',
    baseline: { kind: 'exact', metric: 1 },
    fp32Bytes: 2 * FULL_PRECISION,
    rows: [row('a', 8, 0.1, 1), row('a', 4, 0.2, 2), row('b', 8, 0.3, 0.5), row('b', 4, 0.4, 0.6)],
  };
  const by = (of: (row: SensitivityRow) => number): ReturnType<typeof predict> =>
    predict(space, table, { of }, { level: 'block', maxBytes: 12 });

  it('orders rows, and chooses the plan of the least predicted loss within the bytes', () => {
    const measured = by(({ loss }) => loss);
    near(measured.rank, 1);
    assert.deepEqual([measured.rows, measured.bytes], [4, 12]);
    assert.deepEqual(
      ['a', 'b'].map((unit) => measured.plan.bitsOf(unit)),
      [4, 8],
    );
    // KL has it the other way round: a is the one to spare.
    const other = by(({ extras }) => extras!['kl']);
    near(other.rank, rankCorrelation([1, 2, 0.5, 0.6], [0.1, 0.2, 0.3, 0.4]));
    assert.deepEqual(
      ['a', 'b'].map((unit) => other.plan.bitsOf(unit)),
      [8, 4],
    );
  });

  it('gives the smallest plan where none keeps the bytes, and leaves out rows without a number', () => {
    const { bytes } = predict(
      ...([space, table, { of: (row: SensitivityRow) => row.loss }] as const),
      {
        level: 'block',
        maxBytes: 1,
      },
    );
    assert.equal(bytes, 8);
    assert.equal(by(({ unit, loss }) => (unit === 'a' ? NaN : loss)).rows, 2);
  });
});
