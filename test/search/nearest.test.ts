import assert from 'node:assert/strict';
import type { Limits } from '../../src/search/constraints.js';
import type { Evaluation } from '../../src/search/evaluation.js';
import { nearestPlan, UnmetConstraintsError, type Tried } from '../../src/search/nearest.js';
import { Assignment } from '../../src/search/space.js';

const LIMITS: Limits = {
  quality: { metric: 'accuracy', baseline: 0.8, allowedLoss: 0.02 },
  maxBytes: 300,
};

const tried = (bits: number, bytes: number, evaluation: Evaluation): Tried => ({
  assignment: Assignment.of({ a: bits }),
  bytes,
  evaluation,
});
const exact = (metric: number): Evaluation => ({ kind: 'exact', metric });
const never = (): never => assert.fail('nothing has to be measured');

describe('search/nearest', () => {
  it('adds the shares by which quality and memory are missed', async () => {
    const plans = [
      // 500 bytes too many of 1000: 0.5
      tried(16, 800, exact(0.8)),
      // 0.2 − 0.02 of 0.8 too much: 0.225
      tried(4, 200, exact(0.6)),
      // 0.08 − 0.02 of 0.8, and 100 of 1000: 0.075 + 0.1
      tried(8, 400, exact(0.72)),
      tried(2, 100, exact(NaN)),
    ];
    const nearest = await nearestPlan(plans, LIMITS, 1000, never);
    assert.equal(nearest.assignment.key, 'a=8');
    assert.ok(Math.abs(nearest.misses.quality - 0.06) < 1e-12);
    assert.equal(nearest.misses.bytes, 100);
    assert.equal(nearest.metric, 0.72);
  });

  it('misses nothing by rounding', async () => {
    const limits = { ...LIMITS, quality: { ...LIMITS.quality, baseline: 0.777 } };
    const nearest = await nearestPlan([tried(8, 400, exact(0.757))], limits, 1000, never);
    assert.deepEqual(nearest.misses, { quality: 0, bytes: 100 });
  });

  it('measures what a verdict leaves open, and only while it could be the nearest', async () => {
    const measured: string[] = [];
    const metrics: Record<string, number> = { 'a=8': 0.5, 'a=6': 0.7, 'a=4': 0.3 };
    const plans = [
      tried(16, 800, exact(0.8)),
      // At best just below the limit; 0.5 in truth.
      tried(8, 300, { kind: 'verdict', passes: false, bound: 0.77 }),
      tried(6, 300, { kind: 'verdict', passes: false, bound: 0.76 }),
      // At best 0.6: further away than 0.7, which a=6 turns out to be.
      tried(4, 300, { kind: 'verdict', passes: false, bound: 0.6 }),
    ];
    const nearest = await nearestPlan(plans, LIMITS, 1000, (assignment) => {
      measured.push(assignment.key);
      return Promise.resolve({ kind: 'exact', metric: metrics[assignment.key] });
    });
    assert.equal(nearest.assignment.key, 'a=6');
    assert.deepEqual(measured, ['a=8', 'a=6']);
  });

  it('says what is missed by how much', async () => {
    const nearest = await nearestPlan([tried(8, 400, exact(0.7))], LIMITS, 1000, never);
    const error = new UnmetConstraintsError(nearest);
    assert.match(error.message, /a=8, which misses the quality limit by 0\.08.*100 bytes/);
    const fine = { ...nearest, misses: { quality: 0, bytes: 0 } };
    assert.match(new UnmetConstraintsError(fine).message, /only the unquantized model/);
  });
});
