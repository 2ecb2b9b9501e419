import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  knapsackSearch,
  type KnapsackSearchOptions,
} from '../../src/search/knapsack/knapsack-search.js';
import { requireCandidates } from '../../src/search/outcome.js';
import { measureSensitivity, type SensitivityTable } from '../../src/search/sensitivity.js';
import { Assignment, type SearchSpace } from '../../src/search/space.js';
import type { SearchProgress, SearchStep } from '../../src/search/trace.js';
import { AbortedError, SearchError } from '../../src/util/errors.js';
import { additiveLoss, exactly, hashNoise, tersely, toySpace, toyUnits } from './toy.js';

const BITS = [12, 8, 6, 4];
const units = toyUnits(2);
const space = toySpace(units, 100);
const fp32Bytes = space.bytes(Assignment.unquantized);
const loss = additiveLoss(units, [40, 2, 1, 3, 0.5, 8]);

const OPTIONS: KnapsackSearchOptions = {
  level: 'module',
  constraints: { loss: { kind: 'absolute', value: 0.5 } },
};

function table(
  metricOf: (plan: Assignment) => number,
  given: SearchSpace = space,
): Promise<SensitivityTable> {
  const options = { metric: 'perplexity', bits: BITS, levels: ['module'] } as const;
  return measureSensitivity(given, exactly(metricOf).evaluate, options);
}

/** Every plan over the bits and fp32. */
function everyPlan(given: SearchSpace): Assignment[] {
  return given.units.reduce(
    (plans, { id }) => plans.flatMap((plan) => [32, ...BITS].map((bits) => plan.with([id], bits))),
    [Assignment.unquantized],
  );
}

const everyWidth = (bits: number): Assignment =>
  Assignment.unquantized.with(
    units.map(({ id }) => id),
    bits,
  );

describe('search/knapsack-search', () => {
  it('finds the smallest plan within the quality limit, to the resolution of the front', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: 0, max: 40, noNaN: true }), { minLength: 4, maxLength: 4 }),
        fc.double({ min: 0, max: 3, noNaN: true }),
        async (sensitivity, value) => {
          const small = toySpace(toyUnits(1), 100);
          const lossOf = additiveLoss(small.units, sensitivity);
          const metricOf = (plan: Assignment): number => 36 + lossOf(plan);
          const result = await knapsackSearch(
            small,
            exactly(metricOf).evaluate,
            await table(metricOf, small),
            { ...OPTIONS, constraints: { loss: { kind: 'absolute', value } } },
          );
          const passing = everyPlan(small).filter((plan) => lossOf(plan) <= value + 1e-12);
          const optimum = Math.min(...passing.map((plan) => small.bytes(plan)));
          const { plan } = result;
          assert.ok(plan !== undefined && metricOf(plan.assignment) <= 36 + value + 1e-12);
          assert.ok(plan.bytes <= optimum / 0.99, `${plan.bytes} bytes, ${optimum} possible`);
        },
      ),
      { seed: 12, numRuns: 60 },
    );
  });

  it('finds the best metric within the memory limit', async () => {
    const metricOf = (plan: Assignment): number => 36 + loss(plan);
    const options = {
      ...OPTIONS,
      objective: 'quality',
      constraints: { memory: { kind: 'share', share: 0.25 } },
    } as const;
    const { evaluate } = exactly(metricOf);
    const result = await knapsackSearch(space, evaluate, await table(metricOf), options);
    const best = everyPlan(space)
      .filter((plan) => space.bytes(plan) <= 0.25 * fp32Bytes)
      .reduce((least, plan) => Math.min(least, metricOf(plan)), Infinity);
    assert.equal(result.plan?.metric, best);
    assert.ok(result.candidates.length >= 4);
  });

  it('needs few evaluations where the model is right, and asks no plan twice', async () => {
    const metricOf = (plan: Assignment): number => 36 + loss(plan);
    const { evaluate, asked } = exactly(metricOf);
    const result = await knapsackSearch(space, evaluate, await table(metricOf), OPTIONS);
    const keys = asked.map(({ assignment }) => assignment.key);
    assert.equal(new Set(keys).size, keys.length);
    assert.equal(result.evaluations, keys.length);
    assert.ok(keys.length <= 8, `${keys.length} evaluations`);
    assert.equal(requireCandidates(result), result.candidates);
  });

  it('swaps its way to a plan that the model does not know to be good', async () => {
    // Quantized alone a module loses 5; with the input quantized too, nothing.
    const module = 'attention.0/SRWKV';
    const metricOf = (plan: Assignment): number => {
      const alone = plan.bitsOf(module) < 32 && plan.bitsOf('input/embedding') === 32;
      return 36 + loss(plan.with([module], 32)) + (alone ? 5 : 0);
    };
    const measured = await table(metricOf);
    const run = (slack: number): ReturnType<typeof knapsackSearch> =>
      knapsackSearch(space, exactly(metricOf).evaluate, measured, { ...OPTIONS, slack });
    const bold = await run(5);
    for (const step of bold.trace.filter((each) => each.stage === 'knapsack'))
      assert.equal(step.assignment.bitsOf(module), 32);
    assert.equal(bold.plan!.stage, 'swap');
    assert.equal(bold.plan!.assignment.bitsOf(module), 4);
    // In one step, not by way of 12, 8 and 6.
    assert.ok(bold.trace.some((step) => step.accepted && step.unit === `${module} 32 to 4`));
    // Without slack the model is believed, and the module left alone.
    assert.equal((await run(0)).plan!.assignment.bitsOf(module), 32);
  });

  it('goes on by rounding noise where no unit alone loses anything', async () => {
    // As accuracy on few sentences: nothing is lost up to some noise, and all of it beyond.
    const noiseOf = additiveLoss(units, [1, 1, 1, 1, 1, 1]);
    const limit = noiseOf(everyWidth(6)) * 1.05;
    const metricOf = (plan: Assignment): number => (noiseOf(plan) > limit ? 90 : 36);
    const measured = await table(metricOf);
    assert.ok(measured.rows.every((row) => row.loss === 0));
    for (const objective of ['footprint', 'quality'] as const) {
      const memory = { kind: 'share', share: 0.3 } as const;
      const constraints = { loss: { kind: 'absolute', value: 0.5 }, memory } as const;
      const options = { ...OPTIONS, objective, constraints };
      const { plan, trace } = await knapsackSearch(
        space,
        exactly(metricOf).evaluate,
        measured,
        options,
      );
      assert.equal(trace[0].accepted, false);
      assert.equal(trace[0].assignment.key, everyWidth(4).key);
      assert.match(trace[1].unit, /^flat front at \d+ bytes$/);
      assert.ok(plan !== undefined && plan.metric === 36);
      assert.ok(plan.bytes <= 0.3 * fp32Bytes);
      const best = everyPlan(space).filter((one) => noiseOf(one) <= limit);
      const least = Math.min(...best.map((one) => space.bytes(one)));
      if (objective === 'footprint') assert.ok(plan.bytes <= least / 0.95, `${plan.bytes}`);
    }
  });

  it('leaves alone, while it goes by noise, what the table says to lose something', async () => {
    const noiseOf = additiveLoss(units, [1, 1, 1, 1, 1, 1]);
    const limit = noiseOf(everyWidth(6));
    const costly = 'attention.0/SRWKV';
    const metricOf = (plan: Assignment): number =>
      noiseOf(plan) > limit ? 90 : 36 + (plan.bitsOf(costly) < 32 ? 0.4 : 0);
    const measured = await table(metricOf);
    const { trace, plan } = await knapsackSearch(
      space,
      exactly(metricOf).evaluate,
      measured,
      OPTIONS,
    );
    const flat = trace.filter((step) => step.unit.startsWith('flat front'));
    assert.ok(flat.length > 1 && plan !== undefined);
    for (const step of flat) assert.equal(step.assignment.bitsOf(costly), 32);
  });

  it('does not repeat, in pairs, a step that it has measured to lose too much', async () => {
    // Alone the input loses 0.3 below 8 bits, which the limit allows; with anything else it loses 9.
    const others = additiveLoss(units, [0, 0.5, 0.5, 0.8, 0.3, 1]);
    const metricOf = (plan: Assignment): number => {
      if (plan.bitsOf('input/embedding') >= 8) return 36 + others(plan);
      const alone = plan.with(['input/embedding'], 32).key === 'fp32';
      return 36 + others(plan) + (alone ? 0.3 : 9);
    };
    // The input is so large that lowering it would pay for raising anything.
    const large = toySpace([{ ...units[0], weights: 9000 }, ...units.slice(1)]);
    const measured = await table(metricOf, large);
    const result = await knapsackSearch(large, exactly(metricOf).evaluate, measured, OPTIONS);
    const swaps = result.trace.filter((step) => step.stage === 'swap');
    const again = swaps.filter((step) => step.unit.startsWith('input/embedding 8 to 6'));
    assert.ok(swaps.length > 0);
    assert.deepEqual(
      again.map((step) => step.unit),
      ['input/embedding 8 to 6'],
    );
    assert.equal(result.plan!.assignment.bitsOf('input/embedding'), 8);
  });

  it('keeps to its evaluation budget, and the trace is what was measured', async () => {
    const metricOf = (plan: Assignment): number => 36 + loss(plan);
    const measured = await table((plan) => 36 + 3 * loss(plan));
    for (const maxEvaluations of [1, 2, 5]) {
      const { evaluate, asked } = exactly(metricOf);
      const steps: SearchStep[] = [];
      const events: SearchProgress[] = [];
      const result = await knapsackSearch(space, evaluate, measured, {
        ...OPTIONS,
        maxEvaluations,
        slack: 1,
        onStep: (step) => steps.push(step),
        onProgress: (event) => events.push(event),
      });
      assert.equal(asked.length, maxEvaluations);
      assert.deepEqual(steps, result.trace);
      assert.deepEqual(
        events.map((event) => event.evaluationsLeft),
        Array.from({ length: maxEvaluations + 1 }, (_, index) => maxEvaluations - index),
      );
    }
    const none = knapsackSearch(space, exactly(metricOf).evaluate, measured, {
      ...OPTIONS,
      maxEvaluations: 0,
    });
    await assert.rejects(none, SearchError);
  });

  it('walks the same way with an evaluator that stops at verdicts', async () => {
    const scenario = fc.record({
      seed: fc.integer(),
      value: fc.double({ min: 0, max: 2, noNaN: true }),
      share: fc.double({ min: 0.1, max: 0.6, noNaN: true }),
      objective: fc.constantFrom('footprint' as const, 'quality' as const),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ seed, value, share, objective }) => {
        const metricOf = (plan: Assignment): number =>
          36 + loss(plan) + hashNoise(`${seed} ${plan.key}`) / 4;
        const measured = await table(metricOf);
        const options = {
          ...OPTIONS,
          objective,
          slack: 0.1,
          constraints: {
            loss: { kind: 'absolute', value },
            memory: { kind: 'share', share },
          },
        } as const;
        const full = await knapsackSearch(space, exactly(metricOf).evaluate, measured, options);
        const terse = await knapsackSearch(space, tersely(metricOf), measured, options);
        const keys = ({ trace }: typeof full): string[] => trace.map((step) => step.assignment.key);
        assert.deepEqual(keys(terse), keys(full));
        assert.deepEqual(terse.plan, full.plan);
        assert.deepEqual(terse.nearest, full.nearest);
      }),
      { seed: 13, numRuns: 100 },
    );
  });

  it('gives the nearest plan where nothing keeps both limits', async () => {
    const metricOf = (plan: Assignment): number => 36 + 100 * loss(plan);
    const { evaluate } = exactly(metricOf);
    const constraints = {
      loss: { kind: 'absolute', value: 0.5 },
      memory: { kind: 'share', share: 0.2 },
    } as const;
    const result = await knapsackSearch(space, evaluate, await table(metricOf), {
      ...OPTIONS,
      constraints,
    });
    assert.equal(result.plan, undefined);
    assert.ok(result.nearest !== undefined);
    assert.ok(result.nearest.misses.quality > 0 || result.nearest.misses.bytes > 0);
    assert.throws(() => requireCandidates(result), /nearest/);
  });

  it('weighs another figure than the metric where told, and leaves out rows without it', async () => {
    const metricOf = (plan: Assignment): number => 36 + loss(plan);
    const plain = await table(metricOf);
    const measured = {
      ...plain,
      rows: plain.rows.map((row) => ({
        ...row,
        extras: { kl: row.unit === 'input/embedding' && row.bits < 8 ? NaN : row.loss ** 2 },
      })),
    };
    const result = await knapsackSearch(space, exactly(metricOf).evaluate, measured, {
      ...OPTIONS,
      lossOf: (row) => row.extras?.kl ?? NaN,
    });
    assert.ok(result.plan !== undefined);
    for (const [index] of result.front.points.entries())
      assert.ok(result.front.bitsAt(index)[0] >= 8);
  });

  it('refuses a table without rows of the level', async () => {
    const metricOf = (plan: Assignment): number => 36 + loss(plan);
    const search = knapsackSearch(space, exactly(metricOf).evaluate, await table(metricOf), {
      ...OPTIONS,
      level: 'block',
    });
    await assert.rejects(search, /level block: the sensitivity table has no rows/);
  });

  it('stops on request, and passes on what evaluate throws', async () => {
    const metricOf = (plan: Assignment): number => 36 + loss(plan);
    const measured = await table(metricOf);
    const { evaluate, asked } = exactly(metricOf);
    const aborted = { ...OPTIONS, signal: AbortSignal.abort() };
    await assert.rejects(knapsackSearch(space, evaluate, measured, aborted), AbortedError);
    assert.equal(asked.length, 0);
    const failure = new Error('device lost');
    const failing = knapsackSearch(space, () => Promise.reject(failure), measured, OPTIONS);
    await assert.rejects(failing, (error) => error === failure);
  });
});
