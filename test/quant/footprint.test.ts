import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { footprintOf, tensorFootprint } from '../../src/quant/footprint.js';
import { resolvePlan, uniformPlan, withUnit } from '../../src/quant/plan.js';
import { PER_CHANNEL, perGroup } from '../../src/quant/scheme/granularity.js';
import { affineMinMax, createScheme, SIGN, UNQUANTIZED } from '../../src/quant/scheme/scheme.js';
import { QuantError } from '../../src/util/errors.js';
import { hierarchyOfTensors } from '../support/spikegpt.js';
import { spikeGptShapes } from './support.js';

const MINI = hierarchyOfTensors(spikeGptShapes(4096, 192, 6));
const MINI_SST2 = hierarchyOfTensors(spikeGptShapes(4096, 192, 6, { classes: 2 }));
describe('quant: footprint', () => {
  it("agrees with the PyTorch reference's bytes, uniform, per tensor", () => {
    // Python, over the state dict: sum(math.ceil(numel * bits / 8) + 8 for matrices below 32 bits, else
    // numel * 4), for spikegpt-mini.pth, and for spikegpt-mini-sst2.pth without head.weight.
    const expected: [number, number, number][] = [
      [32, 17846784, 14702592],
      [16, 8950624, 7378528],
      [14, 7838560, 6462976],
      [12, 6726496, 5547424],
      [10, 5614432, 4631872],
      [8, 4502368, 3716320],
      [6, 3390304, 2800768],
      [5, 2834272, 2342992],
      [4, 2278240, 1885216],
      [3, 1722208, 1427440],
      [2, 1166176, 969664],
    ];
    for (const [bits, mini, sst2] of expected) {
      const uniform = uniformPlan(bits);
      assert.equal(footprintOf(MINI, resolvePlan(uniform, MINI)).total, mini, `${bits} bits`);
      const classifier = footprintOf(MINI_SST2, resolvePlan(uniform, MINI_SST2));
      assert.equal(classifier.total, sst2, `${bits} bits`);
    }
  });

  it("saves the paper's 62.4 % and 68.7 % of SpikeGPT-216M at 12 and 10 bits", () => {
    const hierarchy = hierarchyOfTensors(spikeGptShapes(50277, 768, 18));
    for (const [bits, saving] of [
      [12, 62.4],
      [10, 68.7],
    ]) {
      const { total } = footprintOf(hierarchy, resolvePlan(uniformPlan(bits), hierarchy));
      // The paper rounds 62.45 % down.
      assert.ok(Math.abs(100 * (1 - total / hierarchy.fp32Bytes) - saving) < 0.06);
    }
  });

  it('counts the parts of a tensor by hand', () => {
    const shape = [3, 5];
    assert.deepEqual(tensorFootprint(shape, affineMinMax(3)), {
      integers: 5.625,
      padding: 0.375,
      scales: 4,
      zeroPoints: 4,
      fp32: 0,
    });
    const groups = createScheme({ bits: 4, method: 'symmetric', granularity: perGroup(2) });
    assert.deepEqual(tensorFootprint(shape, groups), {
      integers: 7.5,
      padding: 0.5,
      scales: 36,
      zeroPoints: 0,
      fp32: 0,
    });
    const rows = createScheme({ bits: 16, granularity: PER_CHANNEL });
    assert.deepEqual(tensorFootprint(shape, rows), {
      integers: 30,
      padding: 0,
      scales: 12,
      zeroPoints: 12,
      fp32: 0,
    });
    assert.equal(tensorFootprint(shape, UNQUANTIZED).fp32, 60);
  });

  it('adds up: parts, blocks and total', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 16 }), (a, b) => {
        const plan = withUnit(uniformPlan(a), 'attention.3/SRFFN', affineMinMax(b));
        const { total, parts, byBlock } = footprintOf(MINI, resolvePlan(plan, MINI));
        const sum = (values: number[]): number => values.reduce((x, y) => x + y, 0);
        assert.equal(sum(Object.values<number>({ ...parts })), total);
        assert.equal(sum(Object.values(byBlock)), total);
        assert.ok(Number.isInteger(total));
      }),
    );
    assert.deepEqual(Object.keys(footprintOf(MINI, resolvePlan(new Map(), MINI)).byBlock), [
      'input',
      ...[0, 1, 2, 3, 4, 5].map((i) => `attention.${i}`),
      'output',
    ]);
  });

  it("takes 31/32 of a spike embedding's bytes away with one-bit sign", () => {
    const plan = withUnit(uniformPlan(32), 'input', SIGN);
    const { byBlock } = footprintOf(MINI, resolvePlan(plan, MINI));
    assert.equal(byBlock.input, (4096 * 192 * 4) / 32);
  });

  it('refuses a plan resolved for another checkpoint', () => {
    const other = resolvePlan(uniformPlan(8), MINI_SST2);
    assert.throws(() => footprintOf(MINI, other), QuantError);
  });
});
