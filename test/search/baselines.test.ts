import assert from 'node:assert/strict';
import { randomPlans, uniformPlans } from '../../src/search/baselines.js';
import { Assignment } from '../../src/search/space.js';
import { SearchError } from '../../src/util/errors.js';
import { toySpace, toyUnits } from './toy.js';

const space = toySpace(toyUnits(4), 100);
const OPTIONS = { bits: [16, 12, 8, 6, 4], level: 'module', count: 20, seed: 3 } as const;

describe('search/baselines', () => {
  it('gives every unit the same bits', () => {
    const plans = uniformPlans(space, [4, 8, 4]);
    assert.deepEqual(
      plans.map((plan) => [...new Set(plan.bitsOfAll(space.units))]),
      [[8], [4]],
    );
  });

  it('draws different plans of the size asked for, the same for the same seed', () => {
    const bytes = 0.25 * space.bytes(Assignment.unquantized);
    const plans = randomPlans(space, { ...OPTIONS, bytes });
    assert.equal(new Set(plans.map((plan) => plan.key)).size, 20);
    for (const plan of plans) {
      assert.ok(space.bytes(plan) <= bytes && space.bytes(plan) >= 0.98 * bytes);
      for (const bits of plan.bitsOfAll(space.units)) assert.ok(OPTIONS.bits.includes(bits as 8));
    }
    const keys = (seed: number): string[] =>
      randomPlans(space, { ...OPTIONS, bytes, seed }).map((plan) => plan.key);
    assert.deepEqual(
      plans.map((plan) => plan.key),
      keys(3),
    );
    assert.notDeepEqual(keys(3), keys(4));
  });

  it('says so where there are not enough plans of the size', () => {
    for (const bytes of [10, 1e6])
      assert.throws(() => randomPlans(space, { ...OPTIONS, bytes }), SearchError);
    const smallest = space.bytes(uniformPlans(space, [4])[0]);
    const few = { ...OPTIONS, bytes: smallest, tolerance: 0 };
    assert.throws(() => randomPlans(space, few), /1 between/);
    assert.equal(randomPlans(space, { ...few, count: 1 }).length, 1);
  });
});
