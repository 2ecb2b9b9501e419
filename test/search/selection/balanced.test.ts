import assert from 'node:assert/strict';
import fc from 'fast-check';
import { resolveLimits, type Limits } from '../../../src/search/constraints.js';
import { paretoFront } from '../../../src/search/pareto.js';
import {
  lambdaIntervals,
  merit,
  paperWeight,
  score,
  scoreContext,
  select,
  type Scored,
} from '../../../src/search/score.js';
import { SearchError } from '../../../src/util/errors.js';

const A1: Limits = {
  quality: { metric: 'accuracy', baseline: 0.8, allowedLoss: 0.02 },
  maxBytes: 500,
};
const B1: Limits = {
  quality: { metric: 'perplexity', baseline: 60, allowedLoss: 4 },
  maxBytes: 400,
};

/** Points of a front that a straight line from below touches alone, by the definition: no two others lie under. */
function hullVertices(plans: readonly Scored[], { quality }: Limits): Scored[] {
  const sign = quality.metric === 'accuracy' ? -1 : 1;
  const front = paretoFront(plans, quality.metric);
  const lossOf = (plan: Scored): number => sign * (plan.metric - quality.baseline);
  return front.filter(
    (plan) =>
      !front.some((left) =>
        front.some((right) => {
          if (left.bytes >= plan.bytes || right.bytes <= plan.bytes) return false;
          const share = (plan.bytes - left.bytes) / (right.bytes - left.bytes);
          const chord = lossOf(left) + share * (lossOf(right) - lossOf(left));
          return chord <= lossOf(plan) + 1e-12;
        }),
      ),
  );
}

const plansOf = (metrics: { min: number; max: number; by: number }): fc.Arbitrary<Scored[]> =>
  fc.array(
    fc.record({
      metric: fc.integer({ min: metrics.min, max: metrics.max }).map((value) => value / metrics.by),
      bytes: fc.integer({ min: 1, max: 20 }).map((value) => value * 20),
    }),
    { minLength: 1, maxLength: 14 },
  );

describe('search/balanced score', () => {
  it('is loss and memory in units of what is allowed', () => {
    const context = scoreContext('balanced', A1, 1000);
    const plan = { metric: 0.79, bytes: 250 };
    // Half of the allowed loss, half of the allowed memory.
    for (const lambda of [0, 0.3, 1])
      assert.ok(Math.abs(score(plan, lambda, context) - 0.5) < 1e-12);
    const text = scoreContext('balanced', B1, 1000);
    assert.ok(
      Math.abs(score({ metric: 63, bytes: 200 }, 0.25, text) - (0.75 * 0.75 + 0.125)) < 1e-12,
    );
  });

  it('takes a point, or one of perplexity, and all memory for a limit that is not there', () => {
    const open = resolveLimits({}, 'accuracy', 0.8, 1000);
    assert.deepEqual(scoreContext('balanced', open, 1000).balanced, {
      baseline: 0.8,
      loss: 0.01,
      bytes: 1000,
    });
    const none = { ...B1, quality: { ...B1.quality, allowedLoss: 0 } };
    assert.equal(scoreContext('balanced', none, 1000).balanced?.loss, 1);
  });

  it('refuses λ outside [0, 1], which the paper’s score does not', () => {
    const plans = [{ metric: 0.79, bytes: 250 }];
    for (const lambda of [-0.1, 1.1, NaN, Infinity])
      assert.throws(() => select(plans, lambda, scoreContext('balanced', A1, 1000)), SearchError);
    for (const lambda of [-0.1, NaN, Infinity])
      assert.throws(() => select(plans, lambda, scoreContext('paper', A1, 1000)), SearchError);
    assert.equal(select(plans, 40, scoreContext('paper', A1, 1000)), plans[0]);
  });

  for (const [name, limits, plans] of [
    ['accuracy', A1, plansOf({ min: 70, max: 80, by: 100 })],
    ['perplexity', B1, plansOf({ min: 120, max: 128, by: 2 })],
  ] as const)
    it(`reaches every vertex of the front’s convex hull by ${name}, between 0 and 1 as from 0 to infinity`, () => {
      fc.assert(
        fc.property(plans, (candidates) => {
          const key = ({ metric, bytes }: Scored): string => `${metric} ${bytes}`;
          const expected = hullVertices(candidates, limits).map(key).reverse();
          for (const name of ['balanced', 'paper'] as const) {
            const context = scoreContext(name, limits, 1000);
            const intervals = lambdaIntervals(candidates, context);
            assert.deepEqual(
              intervals.map(({ candidate }) => key(candidate)),
              expected,
              name,
            );
            for (const { candidate, from, to } of intervals) {
              const inside = to === Infinity ? 2 * from + 1 : (from + to) / 2;
              assert.equal(key(select(candidates, inside, context)!), key(candidate), name);
            }
          }
          // At both ends of the balanced score too, however many tie.
          const context = scoreContext('balanced', limits, 1000);
          assert.equal(key(select(candidates, 0, context)!), expected[0]);
          assert.equal(key(select(candidates, 1, context)!), expected.at(-1));
        }),
        { seed: 9, numRuns: 1500 },
      );
    });

  it('orders plans as the paper’s score does at another λ', () => {
    fc.assert(
      fc.property(
        plansOf({ min: 70, max: 80, by: 100 }),
        fc.integer({ min: 1, max: 99 }),
        (plans, percent) => {
          const balanced = scoreContext('balanced', A1, 1000);
          const weight = paperWeight(percent / 100, balanced.balanced!, 1000);
          const paper = scoreContext('paper', A1, 1000);
          for (const one of plans)
            for (const other of plans) {
              const by =
                merit(one, percent / 100, balanced) - merit(other, percent / 100, balanced);
              const asPaper = merit(one, weight, paper) - merit(other, weight, paper);
              if (Math.abs(by) > 1e-9) assert.equal(Math.sign(asPaper), Math.sign(by));
            }
        },
      ),
      { seed: 10, numRuns: 300 },
    );
  });
});
