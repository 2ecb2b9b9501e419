import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { certainVerdict, SharedTally } from '../../../src/experiment/scoring/verdict.js';
import type { BatchScores } from '../../../src/tasks/task.js';
import { packagePath } from '../../../src/util/paths.js';

/** Baseline 80 of 100 right, a loss of 5 points allowed: at least 75 must be right. */
const ACCURACY = {
  limit: { metric: 'accuracy', baseline: 0.8, allowedLoss: 0.05 },
  items: 100,
  tokens: 1000,
} as const;
/** Baseline 20, a rise of 1 allowed, over 1,000 tokens. */
const PERPLEXITY = {
  limit: { metric: 'perplexity', baseline: 20, allowedLoss: 1 },
  items: 10,
  tokens: 1000,
} as const;

const scores = (...values: number[]): BatchScores => ({
  indices: Int32Array.from(values.keys()),
  values: Float64Array.from(values),
});

describe('certain verdicts', () => {
  it('fail an accuracy with the first wrong answer too many, not before', () => {
    const need = 'exact-if-passes';
    assert.equal(certainVerdict({ ...ACCURACY, need }, { items: 60, sum: 35 }), undefined);
    assert.deepEqual(certainVerdict({ ...ACCURACY, need }, { items: 60, sum: 34 }), {
      kind: 'verdict',
      passes: false,
      bound: 0.74,
    });
  });

  it('pass an accuracy only where its figure is not needed', () => {
    const tally = { items: 80, sum: 75 };
    assert.equal(certainVerdict({ ...ACCURACY, need: 'exact-if-passes' }, tally), undefined);
    assert.deepEqual(certainVerdict({ ...ACCURACY, need: 'verdict' }, tally), {
      kind: 'verdict',
      passes: true,
      bound: 0.75,
    });
    const less = { items: 99, sum: 74 };
    assert.equal(certainVerdict({ ...ACCURACY, need: 'verdict' }, less), undefined);
  });

  it('fail a perplexity once its sum alone breaks the limit, and never pass it', () => {
    const limit = 1000 * Math.log(21);
    for (const need of ['exact-if-passes', 'verdict'] as const) {
      assert.equal(
        certainVerdict({ ...PERPLEXITY, need }, { items: 9, sum: limit - 1 }),
        undefined,
      );
      const verdict = certainVerdict({ ...PERPLEXITY, need }, { items: 9, sum: limit + 1 });
      assert.equal(verdict?.passes, false);
      assert.ok(verdict.bound > 21);
    }
  });

  it('are not given where the figure is needed', () => {
    assert.equal(certainVerdict({ ...ACCURACY, need: 'exact' }, { items: 100, sum: 0 }), undefined);
  });
});

describe('a tally that threads share', () => {
  it('adds up through its buffer, rounding sums down', () => {
    const tally = new SharedTally();
    new SharedTally(tally.buffer).add(scores(1, 0, 1));
    tally.add(scores(0.1234567, 2));
    const { items, sum } = tally.read();
    assert.equal(items, 5);
    assert.ok(sum <= 4.1234567 && sum > 4.123455);
  });

  it('stays a lower bound where sums are larger than it can count', () => {
    const tally = new SharedTally();
    for (let batch = 0; batch < 1000; batch++) tally.add(scores(3e38));
    const { items, sum } = tally.read();
    assert.equal(items, 1000);
    assert.ok(sum >= 1e9 && sum <= 3e41);
  });

  it('never counts items whose score it lacks, while another thread adds', async () => {
    const tally = new SharedTally();
    const adding = new Worker(
      `const { workerData } = require('node:worker_threads');
       const { SharedTally } = require(workerData.module);
       const tally = new SharedTally(workerData.buffer);
       const batch = { values: Float64Array.of(1, 1, 1) };
       for (let count = 0; count < 300000; count++) tally.add(batch);
       tally.stop();`,
      {
        eval: true,
        execArgv: [],
        workerData: {
          module: packagePath('dist', 'experiment', 'scoring', 'verdict.js'),
          buffer: tally.buffer,
        },
      },
    );
    const ended = once(adding, 'exit');
    await once(adding, 'online');
    let torn = 0;
    let reads = 0;
    while (!tally.stopped && reads < 1e8) {
      const { items, sum } = tally.read();
      if (sum < items) torn++;
      reads++;
    }
    await ended;
    assert.equal(torn, 0, `${torn} of ${reads} reads`);
    assert.equal(tally.read().items, 900000);
  });

  it('tells everyone to stop', () => {
    const tally = new SharedTally();
    const other = new SharedTally(tally.buffer);
    assert.equal(other.stopped, false);
    tally.stop();
    assert.equal(other.stopped, true);
  });
});
