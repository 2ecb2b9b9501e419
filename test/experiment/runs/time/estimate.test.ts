import assert from 'node:assert/strict';
import type { Study } from '../../../../src/experiment/open/study.js';
import {
  estimateOf,
  estimateText,
  RestTime,
} from '../../../../src/experiment/runs/time/estimate.js';
import { sampleSpeed } from '../../../../src/experiment/runs/time/sample.js';
import { SearchRest } from '../../../../src/experiment/runs/time/search-rest.js';
import type { ResolvedPlan } from '../../../../src/quant/plan.js';
import { tieredSearch } from '../../../../src/search/tiers/tiers.js';
import { roughTime } from '../../../../src/util/format.js';
import { additiveLoss, toySpace, toyUnits } from '../../../search/toy.js';
import { hierarchyFor } from '../../../support/spikegpt.js';
import { TOY } from '../../../support/toy.js';

const SPEED = { secondsPerToken: 0.001, secondsToApply: 2 };

describe('time: estimates', () => {
  it('add up the parts, and say what they expect and what there can be at most', () => {
    const parts = [
      { evaluations: 1, tokens: 10_000, changed: 0 },
      { evaluations: 20, most: 100, tokens: 10_000, share: 0.5, changed: 0.5 },
    ];
    const found = estimateOf(parts, SPEED);
    assert.deepEqual(found, { seconds: 130, mostSeconds: 610, evaluations: 21, most: 101 });
    assert.equal(
      estimateText(found),
      'about 2 min for about 21 evaluations; at most 101, about 10 min',
    );
    assert.equal(estimateText(estimateOf([parts[0]], SPEED)), 'about 10 s for 1 evaluation');
  });

  it('are told with no more digits than they deserve', () => {
    const told = [3, 48, 200, 12_000, 7200, 190_000].map(roughTime);
    assert.deepEqual(told, ['a few seconds', '50 s', '3 min', '3 h 20 min', '2 h', '2 d 5 h']);
  });

  it('come round to what evaluations take', () => {
    let clock = 0;
    const rest = new RestTime(10, 5, () => 1000 * clock);
    assert.equal(rest.left(0, 20), 205);
    for (let done = 1; done <= 10; done++) clock += 2;
    // Told late: ten took 20 seconds; the estimate still weighs as much as three.
    assert.equal(rest.left(10, 10), ((3 * 10 + 20) / 13) * 10 + 5);
  });

  it('learn nothing from answers that the store had, as of a run that is taken up again', () => {
    let clock = 0;
    const rest = new RestTime(10, 0, () => 1000 * clock);
    assert.equal(rest.left(0, 60), 600);
    for (let done = 1; done <= 40; done++) {
      clock += 0.002;
      rest.left(done, 60 - done);
    }
    assert.equal(rest.left(40, 20), 200);
    for (let done = 41; done <= 44; done++) {
      clock += 20;
      rest.left(done, 60 - done);
    }
    // Four took 20 seconds each, beside the three of the estimate.
    assert.equal(Math.round(rest.left(44, 16)), Math.round(((3 * 10 + 80) / 7) * 16));
  });

  it('take the speed of few batches from a second time, without the loading of the weights', async () => {
    let clock = 0;
    let calls = 0;
    const study = {
      task: { batches: new Array<undefined>(3) },
      evaluator: {
        remembered: () => undefined,
        scoreSome: (plan: ResolvedPlan, batches: readonly number[]) => {
          clock += batches.length * 2 + (calls++ === 0 ? 100 : 0) + (isQuantized(plan) ? 5 : 0);
          return Promise.resolve(batches.length * 100);
        },
      },
      options: { file: { hierarchy: hierarchyFor(TOY) } },
    } as unknown as Study;
    const speed = await sampleSpeed(study, {}, () => 1000 * clock);
    assert.ok(Math.abs(speed.secondsPerToken - 0.02) < 1e-9, String(speed.secondsPerToken));
    assert.ok(Math.abs(speed.secondsToApply - 5) < 1e-9, String(speed.secondsToApply));
    assert.equal(calls, 3);
  });

  it('take the speed from a sample, and the time to quantize apart', async () => {
    let clock = 0;
    const asked: number[] = [];
    const study = {
      task: { batches: new Array<undefined>(4000) },
      evaluator: {
        remembered: () => undefined,
        scoreSome: (plan: ResolvedPlan, batches: readonly number[]) => {
          asked.push(...batches);
          clock += batches.length * 0.02 + (plan.size > 0 && isQuantized(plan) ? 3 : 0);
          return Promise.resolve(batches.length * 100);
        },
      },
      options: { file: { hierarchy: hierarchyFor(TOY) } },
    } as unknown as Study;
    const { secondsPerToken, secondsToApply } = await sampleSpeed(study, {}, () => 1000 * clock);
    assert.ok(Math.abs(secondsPerToken - 0.0002) < 1e-9);
    assert.ok(Math.abs(secondsToApply - 3) < 1e-9);
    // The sample has none of those that went first, whose operands are in the processor's caches.
    assert.equal(new Set(asked.slice(4, -4)).size, asked.length - 8);
    assert.ok(!asked.slice(4, -4).some((batch) => asked.slice(0, 4).includes(batch)));
    // Over the whole of the data, not its beginning.
    assert.ok(Math.max(...asked) > 3000 && Math.min(...asked) < 1000);
  });

  it('of a search are right within 1.5 from its middle on, on a fake clock', async () => {
    const units = toyUnits(6);
    const space = toySpace(units, 100);
    const loss = additiveLoss(
      units,
      [4, 0.2, 0.1, 0.2, 0.3, 0.05, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4],
    );
    let clock = 0;
    const groups = 8 + 12;
    const work = {
      before: [],
      decisions: [
        { evaluations: 3.5, most: 5, tokens: 4000 },
        { evaluations: 1.15 * groups, most: 5 * groups, tokens: 4000 },
      ],
      after: [],
    };
    // Off by a factor of two at the beginning: a busy machine.
    const rest = new SearchRest(
      work,
      { secondsPerToken: 0.001, secondsToApply: 0 },
      () => 1000 * clock,
    );
    const told: { at: number; left: number }[] = [];
    const { trace } = await tieredSearch(
      space,
      (assignment) => {
        clock += 8;
        return Promise.resolve({ kind: 'exact', metric: 0.777 - loss(assignment) });
      },
      {
        metric: 'accuracy',
        bits: [16, 12, 8, 6, 4],
        constraints: { loss: { kind: 'absolute', value: 0.05 } },
        onProgress: (event) => told.push({ at: clock, left: rest.see(event).secondsLeft! }),
      },
    );
    assert.ok(trace.length > 15, String(trace.length));
    for (const { at, left } of told.slice(Math.ceil(told.length / 2), -2)) {
      const ratio = left / (clock - at);
      assert.ok(ratio > 1 / 1.5 && ratio < 1.5, `at ${at} of ${clock}: ${left}`);
    }
    assert.equal(told.at(-1)!.left, 0);
  });
});

function isQuantized(plan: ResolvedPlan): boolean {
  return [...plan.values()].some(({ bits }) => bits < 32);
}
