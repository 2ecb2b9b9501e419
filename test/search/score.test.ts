import assert from 'node:assert/strict';
import fc from 'fast-check';
import { paretoFront } from '../../src/search/pareto.js';
import { lambdaIntervals, score, select, type Scored } from '../../src/search/score.js';
import { SearchError } from '../../src/util/errors.js';

const ACCURACY = { metric: 'accuracy', fp32Bytes: 1000 } as const;
const PERPLEXITY = { metric: 'perplexity', fp32Bytes: 1000 } as const;

describe('search/score', () => {
  it("is the paper's S", () => {
    assert.equal(score({ metric: 0.8, bytes: 500 }, 0.5, ACCURACY), 0.8 - 0.25);
    assert.equal(score({ metric: 30, bytes: 500 }, 0.5, PERPLEXITY), 30 + 0.25);
  });

  const plans = [
    { name: 'accurate', metric: 0.8, bytes: 800 },
    { name: 'between', metric: 0.75, bytes: 300 },
    { name: 'small', metric: 0.7, bytes: 280 },
  ];

  it('selects by quality alone at λ = 0, and weighs size in full at λ = 1', () => {
    assert.equal(select(plans, 0, ACCURACY)?.name, 'accurate');
    // 0.8 − 0.8, 0.75 − 0.3, 0.7 − 0.28
    assert.equal(select(plans, 1, ACCURACY)?.name, 'between');
    // Smallest wins for perplexity: 0.7 + 0.28 is the least.
    assert.equal(select(plans, 0, PERPLEXITY)?.name, 'small');
    assert.equal(select(plans, 1, PERPLEXITY)?.name, 'small');
  });

  it('takes the first of equal scores, like argmax, and never NaN', () => {
    const twins = [
      { name: 'nan', metric: NaN, bytes: 1 },
      { name: 'first', metric: 0.75, bytes: 250 },
      { name: 'second', metric: 1, bytes: 500 },
      { name: 'third', metric: 0.75, bytes: 250 },
    ];
    // 0.75 − 0.25 = 1 − 0.5
    assert.equal(select(twins, 1, ACCURACY)?.name, 'first');
    assert.equal(select([...twins].reverse(), 1, ACCURACY)?.name, 'third');
    assert.equal(select(twins.slice(0, 1), 0, ACCURACY), undefined);
    assert.equal(select([], 0, ACCURACY), undefined);
  });

  it('refuses a λ that is negative or no number, and none above 1', () => {
    assert.equal(select(plans, 5, ACCURACY)?.name, 'small');
    for (const lambda of [-0.1, Infinity, NaN])
      assert.throws(() => select(plans, lambda, ACCURACY), SearchError);
  });

  it('knows which λ selects which plan', () => {
    const intervals = lambdaIntervals(plans, ACCURACY);
    // accurate and between meet where 0.8 − 0.8 λ = 0.75 − 0.3 λ
    assert.deepEqual(
      intervals.map(({ candidate }) => candidate.name),
      ['accurate', 'between', 'small'],
    );
    assert.ok(Math.abs(intervals[0].to - 0.1) < 1e-12);
    // 0.75 − 0.3 λ = 0.7 − 0.28 λ, beyond 1
    assert.ok(Math.abs(intervals[1].to - 2.5) < 1e-12);
    assert.deepEqual(
      [intervals[0].from, intervals[1].from, intervals[2].from, intervals[2].to],
      [0, intervals[0].to, intervals[1].to, Infinity],
    );
    assert.deepEqual(lambdaIntervals([], ACCURACY), []);
  });

  const plan = fc.record({
    metric: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 0, max: 20 }).map((value) => value / 20) },
      { weight: 1, arbitrary: fc.constant(NaN) },
    ),
    bytes: fc.integer({ min: 0, max: 20 }).map((value) => value * 50),
  });

  it('has intervals that cover [0, ∞) and agree with select', () => {
    fc.assert(
      fc.property(
        fc.array(plan, { maxLength: 12 }),
        fc.constantFrom(ACCURACY, PERPLEXITY),
        (candidates, context) => {
          const intervals = lambdaIntervals(candidates, context);
          const usable = candidates.some((candidate) => !Number.isNaN(candidate.metric));
          assert.equal(intervals.length > 0, usable);
          intervals.forEach(({ candidate, from, to }, index) => {
            assert.equal(from, index === 0 ? 0 : intervals[index - 1].to);
            assert.ok(from < to);
            // Inside, no other scores better; equal lines are the same plan for a reader.
            const chosen = select(
              candidates,
              to === Infinity ? from + 1 : (from + to) / 2,
              context,
            )!;
            assert.deepEqual({ ...chosen }, { ...candidate });
          });
          if (usable) assert.equal(intervals.at(-1)!.to, Infinity);
        },
      ),
      { seed: 4, numRuns: 2000 },
    );
  });
});

describe('search/pareto', () => {
  it('keeps what nothing beats, the first of equals, and no NaN', () => {
    const plans = [
      { name: 'beaten by b', metric: 0.7, bytes: 300 },
      { name: 'b', metric: 0.7, bytes: 200 },
      { name: 'twin of b', metric: 0.7, bytes: 200 },
      { name: 'same bytes as b, worse', metric: 0.6, bytes: 200 },
      { name: 'best', metric: 0.9, bytes: 900 },
      { name: 'smallest', metric: 0.1, bytes: 10 },
      { name: 'no number', metric: NaN, bytes: 1 },
    ];
    const names = (metric: 'accuracy' | 'perplexity'): string[] =>
      paretoFront(plans, metric).map((plan) => plan.name);
    assert.deepEqual(names('accuracy'), ['smallest', 'b', 'best']);
    assert.deepEqual(names('perplexity'), ['smallest']);
    assert.deepEqual(paretoFront([], 'accuracy'), []);
  });

  it('is what the definition says', () => {
    const plan = fc.record({
      metric: fc.constantFrom(NaN, 0, 0.25, 0.5, 0.75, 1),
      bytes: fc.integer({ min: 0, max: 6 }),
    });
    const beats = (a: Scored, b: Scored): boolean =>
      a.metric >= b.metric && a.bytes <= b.bytes && (a.metric > b.metric || a.bytes < b.bytes);
    fc.assert(
      fc.property(fc.array(plan, { maxLength: 15 }), (plans) => {
        const front = paretoFront(plans, 'accuracy');
        const numbers = plans.filter((each) => !Number.isNaN(each.metric));
        const expected = numbers.filter((each) => !numbers.some((other) => beats(other, each)));
        const distinct = new Set(expected.map(({ metric, bytes }) => `${metric} ${bytes}`));
        assert.deepEqual(new Set(front.map(({ metric, bytes }) => `${metric} ${bytes}`)), distinct);
        assert.equal(front.length, distinct.size);
        for (const each of front)
          assert.equal(
            plans.find((p) => p.metric === each.metric && p.bytes === each.bytes),
            each,
          );
      }),
      { seed: 5, numRuns: 1000 },
    );
  });
});
