import assert from 'node:assert/strict';
import fc from 'fast-check';
import { monotoneLosses } from '../../src/search/knapsack/additive.js';
import { solveKnapsack, type KnapsackUnit } from '../../src/search/knapsack/knapsack.js';
import { SearchError } from '../../src/util/errors.js';
import { seededRandom } from '../../src/util/random.js';

interface Plan {
  readonly bits: number[];
  readonly bytes: number;
  readonly loss: number;
}

/** Every plan there is. */
function enumerate(units: readonly KnapsackUnit[]): Plan[] {
  return units.reduce<Plan[]>(
    (plans, unit) =>
      plans.flatMap((plan) =>
        unit.choices.map((choice) => ({
          bits: [...plan.bits, choice.bits],
          bytes: plan.bytes + choice.bytes,
          loss: plan.loss + choice.loss,
        })),
      ),
    [{ bits: [], bytes: 0, loss: 0 }],
  );
}

/** Whole-number losses: sums are exact in any order. */
const unitsArbitrary = fc.array(
  fc.array(
    fc.record({
      bits: fc.integer({ min: 1, max: 32 }),
      bytes: fc.integer({ min: -30, max: 30 }),
      loss: fc.integer({ min: -5, max: 20 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  { minLength: 1, maxLength: 5 },
);

const named = (choices: readonly KnapsackUnit['choices'][]): KnapsackUnit[] =>
  choices.map((each, index) => ({ id: `unit ${index}`, choices: each }));

describe('search/knapsack', () => {
  it('finds the least loss for every budget, as trying all plans does', () => {
    fc.assert(
      fc.property(unitsArbitrary, (choices) => {
        const units = named(choices);
        const front = solveKnapsack(units);
        const plans = enumerate(units);
        for (let budget = -160; budget <= 160; budget += 7) {
          const point = front.within(budget);
          const losses = plans.filter((plan) => plan.bytes <= budget).map((plan) => plan.loss);
          assert.equal(point === -1 ? Infinity : front.points[point].loss, Math.min(...losses));
        }
        for (const maxLoss of [-10, 0, 7, 30]) {
          const point = front.losingAtMost(maxLoss);
          const bytes = plans.filter((plan) => plan.loss <= maxLoss).map((plan) => plan.bytes);
          assert.equal(point === -1 ? Infinity : front.points[point].bytes, Math.min(...bytes));
        }
      }),
      { seed: 6, numRuns: 500 },
    );
  });

  it('gives plans that have the bytes and loss said, none better than the next in both', () => {
    fc.assert(
      fc.property(unitsArbitrary, fc.integer({ min: 1, max: 9 }), (choices, gridBytes) => {
        const units = named(choices);
        const front = solveKnapsack(units, { gridBytes, fixedBytes: 1000 });
        front.points.forEach((point, index) => {
          const bits = front.bitsAt(index);
          const match = enumerate(units).some(
            (plan) =>
              plan.bytes + 1000 === point.bytes &&
              plan.loss === point.loss &&
              plan.bits.join() === bits.join(),
          );
          assert.ok(match, `${bits.join()} is not ${point.bytes} bytes, loss ${point.loss}`);
          if (index === 0) return;
          assert.ok(front.points[index - 1].bytes < point.bytes);
          assert.ok(front.points[index - 1].loss > point.loss);
        });
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('loses on a coarse grid no more than a budget smaller by a cell a unit would', () => {
    fc.assert(
      fc.property(
        unitsArbitrary,
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: -60, max: 100 }),
        (choices, gridBytes, budget) => {
          const units = named(choices);
          const coarse = solveKnapsack(units, { gridBytes });
          const fine = solveKnapsack(units);
          const smaller = fine.within(budget - units.length * (gridBytes - 1));
          if (smaller === -1) return;
          const point = coarse.within(budget);
          assert.ok(point >= 0);
          assert.ok(coarse.points[point].loss <= fine.points[smaller].loss);
        },
      ),
      { seed: 8, numRuns: 500 },
    );
  });

  it('stays small for SpikeGPT-216M matrix by matrix', () => {
    // 18 blocks of seven matrices, vocabulary 50277, width 768; 8 bytes of scale a matrix.
    const square = 768 * 768;
    const block = [square, square, square, square, 4 * square, square, 4 * square];
    const sizes = [50277 * 768, ...Array.from({ length: 18 }, () => block).flat(), 50277 * 768];
    const random = seededRandom(11);
    const units = sizes.map((weights, index) => ({
      id: `matrix ${index}`,
      choices: [32, 16, 14, 12, 10, 8, 6, 4].map((bits) => ({
        bits,
        bytes: Math.ceil((weights * bits) / 8) + (bits < 32 ? 8 : 0),
        loss: bits === 32 ? 0 : random.float() * 2 ** -bits,
      })),
    }));
    const front = solveKnapsack(units, { gridBytes: 4096 });
    const all = sizes.reduce((sum, weights) => sum + 4 * weights, 0);
    assert.ok(front.points.length > 500);
    assert.ok(front.points[0].bytes < 0.126 * all);
    assert.equal(front.points.at(-1)!.bytes, all);
  });

  it('refuses units without choices, losses that are no numbers, and more states than allowed', () => {
    const choice = { bits: 8, bytes: 10, loss: 1 };
    assert.throws(() => solveKnapsack([{ id: 'a', choices: [] }]), SearchError);
    for (const wrong of [{ loss: NaN }, { loss: Infinity }, { bytes: 0.5 }])
      assert.throws(
        () => solveKnapsack([{ id: 'a', choices: [{ ...choice, ...wrong }] }]),
        SearchError,
      );
    const choices = [choice, { bits: 4, bytes: 5, loss: 2 }];
    assert.throws(
      () => solveKnapsack([{ id: 'a', choices }], { maxStates: 1 }),
      /2 states, 1 allowed; expected a coarser gridBytes/,
    );
  });
});

describe('search/additive: monotone losses', () => {
  it('pools what falls, and cuts at zero', () => {
    assert.deepEqual(monotoneLosses([0, 1, 3]), [0, 1, 3]);
    // 3 and 1 become their mean; then 2 fits above it.
    assert.deepEqual(monotoneLosses([0, 3, 1, 2]), [0, 2, 2, 2]);
    assert.deepEqual(monotoneLosses([-2, 1]), [0, 1]);
    assert.deepEqual(monotoneLosses([]), []);
  });

  it('is the closest non-decreasing sequence', () => {
    const losses = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 1, maxLength: 4 });
    const error = (a: readonly number[], b: readonly number[]): number =>
      a.reduce((sum, value, index) => sum + (value - b[index]) ** 2, 0);
    fc.assert(
      fc.property(losses, (given) => {
        const fitted = monotoneLosses(given);
        // Every non-decreasing, non-negative sequence on a grid of quarters.
        const grid = Array.from({ length: 17 }, (_, index) => index / 4);
        const sequences = given.reduce<number[][]>(
          (all) =>
            all.flatMap((s) => grid.filter((v) => v >= (s.at(-1) ?? 0)).map((v) => [...s, v])),
          [[]],
        );
        for (const sequence of sequences)
          assert.ok(error(given, fitted) <= error(given, sequence) + 1e-9);
        fitted.forEach((value, index) => {
          assert.ok(value >= (fitted[index - 1] ?? 0));
        });
      }),
      { seed: 9, numRuns: 60 },
    );
  });
});
