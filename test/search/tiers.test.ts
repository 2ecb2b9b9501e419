import assert from 'node:assert/strict';
import fc from 'fast-check';
import { UnmetConstraintsError } from '../../src/search/nearest.js';
import { requireCandidates } from '../../src/search/outcome.js';
import type { SensitivityTable } from '../../src/search/sensitivity.js';
import { Assignment } from '../../src/search/space.js';
import { tieredSearch, type TieredSearchOptions } from '../../src/search/tiers/tiers.js';
import type { SearchProgress, SearchStep } from '../../src/search/trace.js';
import { AbortedError, SearchError } from '../../src/util/errors.js';
import { naiveSearch } from './naive.js';
import { additiveLoss, exactly, hashNoise, tersely, toySpace, toyUnits } from './toy.js';

const units = toyUnits(2);
const space = toySpace(units, 100);
const fp32Bytes = space.bytes(Assignment.unquantized);
/** 0.777 less a loss that the input block dominates. */
const metricOf = (assignment: Assignment): number =>
  0.777 - additiveLoss(units, [4, 0.2, 0.1, 0.2, 0.3, 0.05])(assignment);

const OPTIONS: TieredSearchOptions = {
  metric: 'accuracy',
  bits: [16, 12, 8, 6, 4],
  constraints: {
    loss: { kind: 'absolute', value: 0.05 },
    memory: { kind: 'share', share: 0.3 },
  },
};

const brief = ({ stage, unit, bits, accepted, candidate }: SearchStep): string =>
  `${stage} ${unit}@${bits} ${accepted ? '+' : '-'}${candidate ? 'c' : ''}`;

describe('search/tiers', () => {
  it('walks global, block and module, keeping steps that are too large yet', async () => {
    const { evaluate } = exactly(metricOf);
    const result = await tieredSearch(space, evaluate, OPTIONS);
    // By hand: 16 and 12 bits are above 30 % of fp32; 4.85 · 2^−8 = 0.019 passes, 4.85 · 2^−6 = 0.076 fails.
    assert.deepEqual(result.trace.slice(0, 6).map(brief), [
      'global model@16 +',
      'global model@12 +',
      'global model@8 +c',
      'global model@6 -',
      // 0.0625 for the input alone
      'block input@6 -',
      'block attention.0@6 +c',
    ]);
    assert.deepEqual([...new Set(result.trace.map((step) => step.reason))].sort(), [
      'loses too much',
      'meets both limits',
      'too large yet',
    ]);
    assert.equal(result.candidates.length, result.trace.filter((step) => step.candidate).length);
    assert.equal(result.evaluations, result.trace.length + 1);
    assert.equal(result.nearest, undefined);
    const naive = naiveSearch(space, metricOf, {
      metric: 'accuracy',
      bits: OPTIONS.bits,
      maxLoss: 0.05,
      maxBytes: 0.3 * fp32Bytes,
    });
    assert.equal(result.final.key, naive.final);
  });

  it('takes the modules of attention blocks alone in the last tier', async () => {
    // Both modules of a block may go to 8 together; then one may go to 4, not both.
    const { evaluate } = exactly((plan) => {
      const [key, other] = plan.bitsOfAll([
        { id: 'attention.0/SRWKV' },
        { id: 'attention.0/SRFFN' },
      ]);
      return key >= 8 && other >= 4 && plan.bitsOf('input/embedding') >= 8 ? 0.8 : 0.1;
    });
    const result = await tieredSearch(space, evaluate, { ...OPTIONS, bits: [8, 4] });
    const modules = result.trace.filter((step) => step.stage === 'module').map(brief);
    assert.deepEqual(modules, ['module attention.0/SRWKV@4 -', 'module attention.0/SRFFN@4 +c']);
    assert.equal(result.final.bitsOf('attention.0/SRFFN'), 4);
    assert.equal(result.final.bitsOf('input/embedding'), 8);
  });

  it('descends each matrix where asked to', async () => {
    const matrices = units.flatMap((unit) =>
      unit.inModuleTier
        ? ['key', 'value'].map((name) => ({ ...unit, id: `${unit.id}/${name}` }))
        : [unit],
    );
    const finer = toySpace(matrices);
    const loss = (plan: Assignment): number =>
      plan.bitsOf('attention.1/SRFFN/key') < 8
        ? 0.5
        : plan.bitsOf('input/embedding') < 8
          ? 0.5
          : 0.8;
    const run = async (granularity: 'module' | 'matrix'): Promise<string> => {
      const { evaluate } = exactly(loss);
      const result = await tieredSearch(finer, evaluate, { ...OPTIONS, bits: [8, 4], granularity });
      return result.trace
        .filter((step) => step.stage === 'module')
        .map(brief)
        .join(', ');
    };
    assert.equal(
      await run('module'),
      'module attention.1/SRWKV@4 +c, module attention.1/SRFFN@4 -',
    );
    assert.equal(
      await run('matrix'),
      'module attention.1/SRWKV/key@4 +c, module attention.1/SRWKV/value@4 +c, ' +
        'module attention.1/SRFFN/key@4 -, module attention.1/SRFFN/value@4 +c',
    );
  });

  it('normalises a precision list that is unsorted or has repeats', async () => {
    const run = async (bits: number[]): Promise<string[]> => {
      const result = await tieredSearch(space, exactly(metricOf).evaluate, { ...OPTIONS, bits });
      return result.trace.map(brief);
    };
    assert.deepEqual(await run([4, 8, 16, 8, 6, 12, 4]), await run([16, 12, 8, 6, 4]));
  });

  it('works with one block and one bit width', async () => {
    const one = toyUnits(0).slice(0, 1);
    const { evaluate, asked } = exactly((plan) => (plan.bitsOf('input/embedding') < 8 ? 0.1 : 0.8));
    const run = (bits: number[]): ReturnType<typeof tieredSearch> =>
      tieredSearch(toySpace(one), evaluate, { ...OPTIONS, bits });
    assert.deepEqual((await run([8])).trace.map(brief), ['global model@8 +c']);
    assert.equal(asked.length, 2);
    // What the global tier refused, the block tier of a one-block model asks again, as the reference does.
    assert.deepEqual((await run([8, 4])).trace.map(brief), [
      'global model@8 +c',
      'global model@4 -',
      'block input@4 -',
    ]);
  });

  it('takes every step where the constraints are met by everything', async () => {
    const { evaluate } = exactly(metricOf);
    const result = await tieredSearch(space, evaluate, { ...OPTIONS, constraints: {} });
    assert.deepEqual(result.trace.map(brief), [
      'global model@16 +c',
      'global model@12 +c',
      'global model@8 +c',
      'global model@6 +c',
      'global model@4 +c',
    ]);
    assert.equal(requireCandidates(result).length, 5);
  });

  it('gives the nearest plan where nothing meets the constraints', async () => {
    const constraints = {
      loss: { kind: 'absolute', value: 0.01 },
      memory: { kind: 'share', share: 0.1 },
    } as const;
    const { evaluate } = exactly(metricOf);
    const result = await tieredSearch(space, evaluate, { ...OPTIONS, constraints });
    assert.equal(result.candidates.length, 0);
    assert.ok(result.trace.length > 0);
    const { nearest } = result;
    assert.ok(nearest !== undefined);
    assert.ok(nearest.misses.quality > 0 || nearest.misses.bytes > 0);
    assert.throws(
      () => requireCandidates(result),
      (error: unknown) =>
        error instanceof UnmetConstraintsError &&
        error instanceof SearchError &&
        error.nearest === nearest &&
        error.message.includes(`${nearest.misses.bytes} bytes`),
    );
  });

  it('counts a metric that is not a number as breaking the limit, and says so', async () => {
    const { evaluate } = exactly((plan) => (plan.bitsOf('input/embedding') < 12 ? NaN : 0.777));
    const result = await tieredSearch(space, evaluate, { ...OPTIONS, constraints: {} });
    const broken = result.trace.filter((step) => step.reason === 'metric is not a number');
    assert.deepEqual(broken.map(brief), ['global model@8 -', 'block input@8 -']);
    assert.ok(result.final.bitsOf('input/embedding') === 12);
    assert.ok(result.candidates.every((candidate) => candidate.metric === 0.777));
  });

  it('refuses a baseline that is not a number', async () => {
    await assert.rejects(tieredSearch(space, exactly(() => NaN).evaluate, OPTIONS), SearchError);
  });

  it('stops on request before the next evaluation', async () => {
    const controller = new AbortController();
    const { evaluate, asked } = exactly((plan) => {
      if (asked.length === 3) controller.abort();
      return metricOf(plan);
    });
    const steps: SearchStep[] = [];
    await assert.rejects(
      tieredSearch(space, evaluate, {
        ...OPTIONS,
        signal: controller.signal,
        onStep: (step) => steps.push(step),
      }),
      AbortedError,
    );
    assert.equal(asked.length, 3);
    assert.equal(steps.length, 2);
    assert.equal(asked[2].context.signal, controller.signal);
  });

  it('passes on what evaluate throws; the steps before it have been told', async () => {
    const failure = new Error('device lost');
    const steps: SearchStep[] = [];
    const { evaluate } = exactly((plan) => {
      if (plan.bitsOf('output/head') === 8) throw failure;
      return metricOf(plan);
    });
    const search = tieredSearch(space, evaluate, {
      ...OPTIONS,
      onStep: (step) => steps.push(step),
    });
    await assert.rejects(search, (error) => error === failure);
    assert.deepEqual(steps.map(brief), ['global model@16 +', 'global model@12 +']);
  });

  it('reports each evaluation before it starts, with what is left at most', async () => {
    const events: SearchProgress[] = [];
    const result = await tieredSearch(space, exactly(metricOf).evaluate, {
      ...OPTIONS,
      onProgress: (event) => events.push(event),
    });
    assert.equal(events.length, result.trace.length + 1);
    events.forEach((event, index) => {
      assert.equal(event.done, index);
      assert.equal(event.total, event.done + event.evaluationsLeft);
      // At most: never fewer than there truly were, and never more than was said before.
      assert.ok(event.evaluationsLeft >= result.trace.length - index);
      if (index > 0) assert.ok(event.total <= events[index - 1].total);
    });
    assert.equal(events.at(-1)!.evaluationsLeft, 0);
    assert.equal(events[0].phase, 'global: model at 16 bits');
    // 5 for the model, then at most 5 for each of 4 blocks and 4 modules.
    assert.equal(events[0].total, 45);
    assert.equal(events[0].best, undefined);
    const smallest = Math.min(...result.candidates.map((candidate) => candidate.bytes));
    assert.equal(events.at(-1)!.best?.bytes, smallest);
  });

  it('tells the evaluator what it needs, and from which plan the step comes', async () => {
    const { evaluate, asked } = exactly(metricOf);
    const result = await tieredSearch(space, evaluate, OPTIONS);
    assert.equal(asked[0].context.need, 'exact');
    result.trace.forEach((_, index) => {
      const { context } = asked[index + 1];
      assert.equal(context.need, 'exact-if-passes');
      assert.deepEqual(context.limit, { metric: 'accuracy', baseline: 0.777, allowedLoss: 0.05 });
      const before = result.trace.slice(0, index).findLast((earlier) => earlier.accepted);
      assert.equal(context.parent?.key, before?.assignment.key ?? 'fp32');
    });
  });

  it('goes through the blocks least sensitive first', async () => {
    const row = (unit: string, loss: number): SensitivityTable['rows'][number] => ({
      level: 'block',
      unit,
      bits: 8,
      metric: 0.777 - loss,
      loss,
      bytes: 0,
    });
    const table: SensitivityTable = {
      metric: 'accuracy',
      baseline: { kind: 'exact', metric: 0.777 },
      fp32Bytes,
      rows: [
        row('input', 0.3),
        row('attention.0', 0.1),
        row('attention.1', -0.1),
        row('output', 0.1),
      ],
    };
    const result = await tieredSearch(space, exactly(metricOf).evaluate, {
      ...OPTIONS,
      order: { kind: 'least-sensitive-first', table },
    });
    const order = (stage: string): string[] => [
      ...new Set(result.trace.filter((step) => step.stage === stage).map((step) => step.unit)),
    ];
    assert.deepEqual(order('block'), ['attention.1', 'attention.0', 'output', 'input']);
    assert.ok(order('module').every((unit) => unit.startsWith('attention')));
    const partial = { ...table, rows: table.rows.slice(1) };
    const unknown = tieredSearch(space, exactly(metricOf).evaluate, {
      ...OPTIONS,
      order: { kind: 'least-sensitive-first', table: partial },
    });
    await assert.rejects(unknown, /input: no sensitivity was measured/);
  });

  for (const [name, wrong] of [
    ['no bits', { bits: [] }],
    ['half a bit', { bits: [8, 0.5] }],
    ['33 bits', { bits: [33] }],
    ['a negative limit', { constraints: { loss: { kind: 'absolute', value: -1 } } }],
    ['a NaN limit', { constraints: { memory: { kind: 'share', share: NaN } } }],
    ['negative neighbours', { neighbours: -1 }],
    ['NaN slack', { slack: NaN }],
  ] as const) {
    it(`refuses ${name}`, async () => {
      const search = tieredSearch(space, exactly(metricOf).evaluate, { ...OPTIONS, ...wrong });
      await assert.rejects(search, SearchError);
    });
  }

  it('refuses a verdict where the metric is needed, or one its bound does not support', async () => {
    const withBound = (passes: boolean, bound: number): ReturnType<typeof tieredSearch> =>
      tieredSearch(
        space,
        (assignment, { need }) =>
          Promise.resolve(
            need === 'exact'
              ? { kind: 'exact', metric: metricOf(assignment) }
              : { kind: 'verdict', passes, bound },
          ),
        { ...OPTIONS, bits: [8] },
      );
    await assert.rejects(withBound(true, 0.777), /verdict where the metric is needed/);
    await assert.rejects(withBound(false, 0.777), /bound does not support/);
    assert.equal((await withBound(false, 0.5)).candidates.length, 0);
  });
});

/** Random spaces with losses that add up, and noise that is the same for the same plan. */
const scenario = fc.record({
  blocks: fc.integer({ min: 0, max: 3 }),
  sensitivity: fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { minLength: 8, maxLength: 8 }),
  bits: fc.uniqueArray(fc.integer({ min: 1, max: 16 }), { minLength: 1, maxLength: 7 }),
  maxLoss: fc.double({ min: 0, max: 0.5, noNaN: true }),
  share: fc.double({ min: 0.05, max: 1, noNaN: true }),
  noise: fc.constantFrom(0, 0.01, 0.1),
  seed: fc.integer(),
  metric: fc.constantFrom('accuracy' as const, 'perplexity' as const),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

function build(given: Scenario): {
  space: ReturnType<typeof toySpace>;
  metricOf: (assignment: Assignment) => number;
  options: TieredSearchOptions;
} {
  const toy = toyUnits(given.blocks);
  const loss = additiveLoss(toy, given.sensitivity);
  const noisy = (plan: Assignment): number =>
    loss(plan) + given.noise * hashNoise(`${given.seed} ${plan.key}`);
  return {
    space: toySpace(toy),
    metricOf: (plan) => (given.metric === 'accuracy' ? 0.8 - noisy(plan) : 20 + noisy(plan)),
    options: {
      metric: given.metric,
      bits: given.bits,
      constraints: {
        loss: { kind: 'absolute', value: given.maxLoss },
        memory: { kind: 'share', share: given.share },
      },
    },
  };
}

describe('search/tiers: sameness', () => {
  it('exact walks as the naive loop does, noise or not', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (given) => {
        const { space, metricOf, options } = build(given);
        const result = await tieredSearch(space, exactly(metricOf).evaluate, options);
        const naive = naiveSearch(space, metricOf, {
          metric: given.metric,
          bits: [...given.bits].sort((a, b) => b - a),
          maxLoss: given.maxLoss,
          maxBytes: given.share * space.bytes(Assignment.unquantized),
        });
        assert.deepEqual(
          result.trace.map(({ stage, assignment, accepted, candidate }) => ({
            tier: stage,
            key: assignment.key,
            accepted,
            candidate,
          })),
          naive.steps,
        );
        assert.equal(result.final.key, naive.final);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  for (const strategy of ['exact', 'bisection', 'bracketing'] as const) {
    it(`${strategy} takes the same steps with an evaluator that stops at verdicts`, async () => {
      await fc.assert(
        fc.asyncProperty(scenario, fc.constantFrom(0, 0.01, 0.1), async (given, slack) => {
          const { space, metricOf, options } = build(given);
          const same = { ...options, strategy, slack };
          const full = await tieredSearch(space, exactly(metricOf).evaluate, same);
          const terse = await tieredSearch(space, tersely(metricOf), same);
          assert.deepEqual(
            terse.trace.map((step) => ({ ...step, evaluation: null })),
            full.trace.map((step) => ({ ...step, evaluation: null })),
          );
          assert.deepEqual(terse.candidates, full.candidates);
          assert.equal(terse.final.key, full.final.key);
          assert.deepEqual(terse.nearest, full.nearest);
        }),
        { seed: 2, numRuns: 300 },
      );
    });
  }

  for (const strategy of ['bisection', 'bracketing'] as const) {
    it(`${strategy} ends at the plan of exact where the metric is monotone up to the slack`, async () => {
      await fc.assert(
        fc.asyncProperty(scenario, fc.integer({ min: 0, max: 2 }), async (given, neighbours) => {
          const { space, metricOf, options } = build(given);
          const exact = await tieredSearch(space, exactly(metricOf).evaluate, options);
          const fewer = await tieredSearch(space, exactly(metricOf).evaluate, {
            ...options,
            strategy,
            neighbours,
            slack: given.noise,
          });
          assert.equal(fewer.final.key, exact.final.key);
          const bySameKey = new Map(
            exact.trace.map((step) => [step.assignment.key, step.accepted]),
          );
          for (const step of fewer.trace)
            assert.equal(bySameKey.get(step.assignment.key) ?? step.accepted, step.accepted);
        }),
        { seed: 3, numRuns: 400 },
      );
    });
  }

  for (const strategy of ['exact', 'bisection'] as const) {
    it(`${strategy} never has more evaluations left than it says`, async () => {
      await fc.assert(
        fc.asyncProperty(scenario, async (given) => {
          const { space, metricOf, options } = build(given);
          const left: number[] = [];
          const result = await tieredSearch(space, exactly(metricOf).evaluate, {
            ...options,
            strategy,
            slack: given.noise / 2,
            onProgress: (event) => left.push(event.evaluationsLeft),
          });
          const steps = result.trace.length;
          assert.equal(left.length, steps + 1);
          left.forEach((most, index) => assert.ok(most >= steps - index));
        }),
        { seed: 14, numRuns: 200 },
      );
    });
  }

  it('skips most of a long run of passes', async () => {
    const toy = toyUnits(8);
    // Only the input is sensitive: the global descent ends at 8 bits, all else goes to 2.
    const metricOf = (plan: Assignment): number => (plan.bitsOf('input/embedding') < 8 ? 0.5 : 0.8);
    const run = async (
      strategy: 'exact' | 'bisection' | 'bracketing',
    ): Promise<[number, string]> => {
      const result = await tieredSearch(toySpace(toy), exactly(metricOf).evaluate, {
        ...OPTIONS,
        bits: [16, 14, 12, 10, 8, 6, 4, 2],
        strategy,
      });
      return [result.evaluations, result.final.key];
    };
    const [exact, final] = await run('exact');
    // baseline; 16 … 6 for the model; input at 6; 9 blocks at 6, 4, 2.
    assert.equal(exact, 1 + 6 + 1 + 27);
    const [bisection, bisected] = await run('bisection');
    assert.ok(bisection < exact);
    const [bracketing, bracketed] = await run('bracketing');
    // baseline; 3 of the model; input; 0, 2, 6, 14, 26 of the chain and the neighbour of its end.
    assert.ok(bracketing <= 1 + 4 + 1 + 6, `${bracketing} evaluations`);
    assert.deepEqual([bisected, bracketed], [final, final]);
  });

  it('goes on behind the unit that failed, and asks no plan twice', async () => {
    // attention.2 fails at 4 bits, in the middle of a chain of passes.
    const toy = toyUnits(5);
    const metricOf = (plan: Assignment): number =>
      plan.bitsOf('input/embedding') < 8 || plan.bitsOf('attention.2/SRWKV') < 6 ? 0.5 : 0.8;
    const { evaluate, asked } = exactly(metricOf);
    const options = { ...OPTIONS, bits: [8, 6, 4, 2], strategy: 'bracketing' } as const;
    const result = await tieredSearch(toySpace(toy), evaluate, options);
    assert.equal(new Set(asked.map(({ assignment }) => assignment.key)).size, asked.length);
    // Its other module goes down alone in the last tier.
    assert.deepEqual(result.final.bitsOfAll(toy), [8, 2, 2, 2, 2, 6, 2, 2, 2, 2, 2, 2]);
  });

  it('goes in order once the plan is within the slack of the limit', async () => {
    // The first step uses up all but 0.01 of the limit; what follows costs nothing until 4 bits.
    const one = toySpace(toyUnits(1));
    const metricOf = (plan: Assignment): number => {
      if (plan.key === 'fp32') return 0.8;
      return plan.bitsOf('attention.0/SRWKV') < 6 || plan.bitsOf('input/embedding') < 16
        ? 0.5
        : 0.76;
    };
    const run = async (slack: number): Promise<string[]> => {
      const options = { ...OPTIONS, strategy: 'bisection', slack } as const;
      const result = await tieredSearch(one, exactly(metricOf).evaluate, options);
      return result.trace
        .filter((step) => step.unit === 'attention.0')
        .map((step) => `${step.bits ?? ''}${step.accepted ? '+' : '-'}`);
    };
    assert.deepEqual(await run(0), ['8+', '6+', '4-']);
    assert.deepEqual(await run(0.02), ['12+', '8+', '6+', '4-']);
  });

  it('notices a neighbour that fails above a pass, and walks that descent in order', async () => {
    // Bisection over 16, 14, 12, 10, 8, 6, 4 asks 10, 6 and 4, and would jump over the failure at 8.
    const metricOf = (plan: Assignment): number => {
      const bits = plan.bitsOf('input/embedding');
      return bits === 8 || bits < 6 ? 0.1 : 0.8;
    };
    const one = toySpace(toyUnits(0).slice(0, 1));
    const run = (neighbours: number): ReturnType<typeof tieredSearch> =>
      tieredSearch(one, exactly(metricOf).evaluate, {
        ...OPTIONS,
        bits: [16, 14, 12, 10, 8, 6, 4],
        strategy: 'bisection',
        neighbours,
      });
    const checked = await run(1);
    assert.equal(checked.final.bitsOf('input/embedding'), 10);
    // The block tier of this one-block model comes by the same failure.
    assert.deepEqual(checked.nonMonotone, ['model', 'input']);
    const unchecked = await run(0);
    assert.equal(unchecked.final.bitsOf('input/embedding'), 6);
  });
});
