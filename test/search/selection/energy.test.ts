import assert from 'node:assert/strict';
import fc from 'fast-check';
import { resolveLimits } from '../../../src/search/constraints.js';
import { paretoFront } from '../../../src/search/pareto.js';
import {
  checkEnergyWeight,
  lambdaIntervals,
  merit,
  score,
  scoreContext,
  select,
  SCORE_NAMES,
  type ScoreContext,
  type Scored,
} from '../../../src/search/score.js';
import { metricOf } from '../../../src/tasks/metrics/metrics.js';
import { SearchError } from '../../../src/util/errors.js';

const LIMITS = {
  accuracy: resolveLimits(
    { loss: { kind: 'absolute', value: 0.04 }, memory: { kind: 'share', share: 0.5 } },
    'accuracy',
    0.8,
    400,
  ),
  perplexity: resolveLimits(
    { loss: { kind: 'absolute', value: 4 }, memory: { kind: 'share', share: 0.5 } },
    'perplexity',
    60,
    400,
  ),
};
const METRICS = ['accuracy', 'perplexity'] as const;

const contextOf = (
  name: (typeof SCORE_NAMES)[number],
  metric: (typeof METRICS)[number],
  weight?: number,
): ScoreContext =>
  scoreContext(
    name,
    LIMITS[metric],
    400,
    weight === undefined ? undefined : { weight, unquantized: 40 },
  );

const plans = fc.array(
  fc.record({
    metric: fc.integer({ min: 76, max: 80 }).map((value) => value / 100),
    bytes: fc.integer({ min: 1, max: 6 }).map((value) => value * 50),
    energy: fc.integer({ min: 1, max: 5 }).map((value) => value * 8),
  }),
  { minLength: 1, maxLength: 10 },
);
const scaled = (each: readonly Scored[], metric: string): Scored[] =>
  each.map((plan) => ({
    ...plan,
    metric: metric === 'accuracy' ? plan.metric : 140 - 100 * plan.metric,
  }));

describe('search: modelled energy as an objective', () => {
  it('counts against a plan by its weight, as a share of the unquantized model’s', () => {
    const plan = { metric: 0.78, bytes: 100, energy: 10 };
    assert.ok(
      Math.abs(score(plan, 0.4, contextOf('paper', 'accuracy', 2)) - (0.78 - 0.1 - 0.5)) < 1e-12,
    );
    const text = { metric: 62, bytes: 100, energy: 10 };
    assert.ok(
      Math.abs(score(text, 0.4, contextOf('paper', 'perplexity', 2)) - (62 + 0.1 + 0.5)) < 1e-12,
    );
    assert.ok(
      Math.abs(score(text, 0.4, contextOf('balanced', 'perplexity', 2)) - (0.3 + 0.2 + 0.5)) <
        1e-12,
    );
  });

  it('changes no score, selection or front where it is no objective, whatever plans know of it', () => {
    fc.assert(
      fc.property(plans, fc.double({ min: 0, max: 1, noNaN: true }), (each, lambda) => {
        for (const name of SCORE_NAMES)
          for (const metric of METRICS) {
            const own = scaled(each, metric);
            const bare = own.map(({ metric: value, bytes }) => ({ metric: value, bytes }));
            const context = contextOf(name, metric);
            assert.deepEqual(
              own.map((plan) => merit(plan, lambda, context)),
              bare.map((plan) => merit(plan, lambda, context)),
            );
            assert.equal(
              own.indexOf(select(own, lambda, context)!),
              bare.indexOf(select(bare, lambda, context)!),
            );
          }
      }),
    );
  });

  it('selects the plan with the best score, and knows which λ selects which', () => {
    fc.assert(
      fc.property(plans, fc.constantFrom(0.1, 1, 3), (each, weight) => {
        for (const name of SCORE_NAMES)
          for (const metric of METRICS) {
            const own = scaled(each, metric);
            const context = contextOf(name, metric, weight);
            const end = name === 'paper' ? 50 : 1;
            const intervals = lambdaIntervals(own, context);
            assert.equal(intervals[0].from, 0);
            for (const [index, { candidate, from, to }] of intervals.entries()) {
              assert.ok(index === 0 || from === intervals[index - 1].to);
              const middle = (from + Math.min(to, Math.max(end, 2 * from))) / 2;
              for (const lambda of [from, middle]) {
                const best = Math.max(...own.map((plan) => merit(plan, lambda, context)));
                assert.ok(merit(candidate, lambda, context) >= best - 1e-9);
                const taken = select(own, lambda, context)!;
                assert.equal(merit(taken, lambda, context), best);
              }
            }
          }
      }),
    );
  });

  it('has a front in three objectives: of every plan that none beats in all', () => {
    fc.assert(
      fc.property(plans, fc.constantFrom(...METRICS), (each, metric) => {
        const own = scaled(each, metric);
        const { goodness } = metricOf(metric);
        const beats = (one: Scored, other: Scored): boolean =>
          goodness(one.metric) >= goodness(other.metric) &&
          one.bytes <= other.bytes &&
          one.energy! <= other.energy! &&
          (goodness(one.metric) > goodness(other.metric) ||
            one.bytes < other.bytes ||
            one.energy! < other.energy!);
        const key = ({ metric: value, bytes, energy }: Scored): string =>
          `${bytes} ${value} ${energy}`;
        const naive = own.filter((plan) => !own.some((other) => beats(other, plan)));
        const found = paretoFront(own, metric);
        assert.deepEqual(found.map(key).sort(), [...new Set(naive.map(key))].sort());
        assert.ok(found.every(({ bytes }, at) => at === 0 || bytes >= found[at - 1].bytes));
      }),
    );
  });

  it('refuses a weight that is none, and plans whose energy is not known', () => {
    for (const weight of [-1, NaN, Infinity])
      assert.throws(() => checkEnergyWeight(weight), SearchError);
    checkEnergyWeight(0);
    assert.throws(
      () => select([{ metric: 0.8, bytes: 1 }], 0, contextOf('paper', 'accuracy', 1)),
      /the energy of a plan is not known/,
    );
  });
});
