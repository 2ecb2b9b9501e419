import assert from 'node:assert/strict';
import { CASES, limits, meetsLimit, resolveLimits } from '../../src/search/constraints.js';
import { metricOf } from '../../src/tasks/metrics/metrics.js';
import { SearchError } from '../../src/util/errors.js';

describe('search/constraints', () => {
  it('resolves absolute limits and shares', () => {
    const absolute = resolveLimits(
      { loss: { kind: 'absolute', value: 0.02 }, memory: { kind: 'absolute', value: 400 } },
      'accuracy',
      0.777,
      1000,
    );
    assert.deepEqual(absolute, {
      quality: { metric: 'accuracy', baseline: 0.777, allowedLoss: 0.02 },
      maxBytes: 400,
    });
    const share = resolveLimits(
      { loss: { kind: 'share', share: 0.05 }, memory: { kind: 'share', share: 0.25 } },
      'perplexity',
      40,
      1000,
    );
    assert.deepEqual(share, {
      quality: { metric: 'perplexity', baseline: 40, allowedLoss: 2 },
      maxBytes: 250,
    });
    const none = resolveLimits({}, 'perplexity', 40, 1000);
    assert.deepEqual([none.quality.allowedLoss, none.maxBytes], [Infinity, Infinity]);
  });

  it('are written in the units that people think in', () => {
    const resolved = resolveLimits(limits({ points: 3, memory: 0.2 }), 'accuracy', 0.777, 1000);
    assert.deepEqual([resolved.quality.allowedLoss, resolved.maxBytes], [0.03, 200]);
    const other = resolveLimits(limits({ perplexity: 2, megabytes: 5 }), 'perplexity', 40, 1e7);
    assert.deepEqual([other.quality.allowedLoss, other.maxBytes], [2, 5e6]);
    assert.equal(resolveLimits(limits({ loss: 0.05 }), 'perplexity', 40, 1).quality.allowedLoss, 2);
    assert.throws(
      () => resolveLimits(limits({ points: 3 }), 'perplexity', 40, 1),
      /the limit is of another metric; got a loss of accuracy, for a search by perplexity/,
    );
    assert.throws(() => limits({ points: 3, loss: 0.05 }), /got points and loss; expected one of/);
    assert.throws(() => limits({ memory: 0.2, megabytes: 2 }), /two limits on one thing/);
    assert.throws(() => limits({ memory: 20 }), /memory: not a share; got 20; expected a share/);
    assert.throws(() => limits({ points: -1 }), /points: not a limit; got -1/);
  });

  it('counts a lower accuracy and a higher perplexity as loss', () => {
    assert.ok(Math.abs(metricOf('accuracy').lossOf(0.8, 0.75) - 0.05) < 1e-15);
    assert.equal(metricOf('perplexity').lossOf(36, 37.5), 1.5);
    assert.equal(metricOf('perplexity').lossOf(36, 35), -1);
  });

  it('lets a drop of just the limit pass, in spite of rounding', () => {
    // 0.777 − 0.757 is 0.02000000000000002 in binary.
    assert.ok(0.777 - 0.757 > 0.02);
    const limit = { metric: 'accuracy', baseline: 0.777, allowedLoss: 0.02 } as const;
    assert.ok(meetsLimit(limit, 0.757));
    assert.ok(!meetsLimit(limit, 0.756));
    assert.ok(!meetsLimit({ ...limit, allowedLoss: 0.02 - 1e-10 }, 0.757));
  });

  it('lets NaN pass under no limit', () => {
    for (const allowedLoss of [0, 1, Infinity])
      assert.ok(!meetsLimit({ metric: 'perplexity', baseline: 36, allowedLoss }, NaN));
  });

  it('scales the six cases of the paper to any model', () => {
    // 400 MB and 420 MB of 861.6 MB.
    assert.ok(Math.abs(CASES.a1.constraints.memory.share - 400 / 861.6) < 5e-4);
    assert.ok(Math.abs(CASES.b3.constraints.memory.share - 420 / 861.6) < 5e-4);
    const table = Object.entries(CASES).map(([name, { metric, constraints }]) => {
      const limits = resolveLimits(constraints, metric, 0.5, 861.6e6);
      return [name, metric, limits.quality.allowedLoss, Math.round(limits.maxBytes / 1e6)];
    });
    assert.deepEqual(table, [
      ['a1', 'accuracy', 0.02, 400],
      ['a2', 'accuracy', 0.05, 400],
      ['a3', 'accuracy', 0.05, 420],
      ['b1', 'perplexity', 1, 400],
      ['b2', 'perplexity', 4, 400],
      ['b3', 'perplexity', 4, 420],
    ]);
  });

  it('refuses limits and baselines that are none', () => {
    const negative = { loss: { kind: 'share', share: -0.1 } } as const;
    assert.throws(() => resolveLimits(negative, 'accuracy', 0.8, 1), SearchError);
    const nan = { memory: { kind: 'absolute', value: NaN } } as const;
    assert.throws(() => resolveLimits(nan, 'accuracy', 0.8, 1), SearchError);
    for (const baseline of [NaN, Infinity])
      assert.throws(() => resolveLimits({}, 'perplexity', baseline, 1), SearchError);
  });
});
