import assert from 'node:assert/strict';
import { decisionsOf } from '../../../src/search/decisions.js';
import { Assignment } from '../../../src/search/space.js';
import { areTied, selectWithin, tiesAmong } from '../../../src/search/ties.js';
import type { SearchStep } from '../../../src/search/trace.js';

const ACCURACY = { metric: 'accuracy', fp32Bytes: 1000 } as const;
const PERPLEXITY = { metric: 'perplexity', fp32Bytes: 1000 } as const;

describe('search/ties', () => {
  const plans = [
    { step: 0, metric: 0.8, bytes: 600 },
    { step: 1, metric: 0.795, bytes: 300 },
    { step: 2, metric: 0.78, bytes: 200 },
    { step: 3, metric: 0.796, bytes: 700 },
  ];

  it('are smaller candidates within one standard error, by either metric', () => {
    const ties = tiesAmong(plans, ACCURACY, () => 0.01);
    assert.deepEqual(
      [...ties],
      [
        [0, [1]],
        [1, []],
        [2, []],
        [3, [0, 1]],
      ],
    );
    // Of perplexity a lower one is better: what is smaller and better ties as well.
    const text = tiesAmong(plans, PERPLEXITY, () => 0.01);
    assert.deepEqual(
      [...text],
      [
        [0, [1, 2]],
        [1, [2]],
        [2, []],
        [3, [0, 1, 2]],
      ],
    );
    assert.deepEqual(tiesAmong(plans, ACCURACY, () => undefined).get(0), []);
    assert.ok(areTied(plans[1], plans[0], ties) && areTied(plans[0], plans[1], ties));
    assert.ok(!areTied(plans[1], plans[2], ties));
  });

  it('with the rule of one standard error give the smallest', () => {
    const ties = tiesAmong(plans, ACCURACY, () => 0.01);
    assert.equal(selectWithin(plans, 0, ACCURACY, ties)?.step, 1);
    assert.equal(selectWithin(plans, 0, ACCURACY, undefined)?.step, 0);
    // The best at λ = 0.5 is step 2, 0.78 − 0.1, which has none.
    assert.equal(selectWithin(plans, 0.5, ACCURACY, ties)?.step, 2);
    // Ties that are no longer among the candidates are not taken.
    assert.equal(selectWithin([plans[0], plans[2]], 0, ACCURACY, ties)?.step, 0);
    assert.equal(selectWithin([], 0, ACCURACY, ties), undefined);
  });
});

describe('search/decisions', () => {
  const step = (metric: number | undefined): SearchStep => ({
    index: 0,
    stage: 'block',
    unit: 'input',
    assignment: Assignment.unquantized,
    bytes: 1,
    evaluation:
      metric === undefined
        ? { kind: 'verdict', passes: false, bound: 0.7 }
        : { kind: 'exact', metric },
    accepted: false,
    candidate: false,
    reason: 'loses too much',
  });
  const limit = { metric: 'accuracy', baseline: 0.8, allowedLoss: 0.02 } as const;

  it('count those within one standard error of the limit, on both sides', () => {
    const trace = [0.8, 0.785, 0.775, 0.76, NaN, undefined].map(step);
    assert.deepEqual(
      decisionsOf(trace, limit, () => 0.006),
      {
        total: 6,
        measured: 5,
        close: 2,
        stopped: 1,
      },
    );
    const unknown = decisionsOf(trace, limit, () => undefined);
    assert.deepEqual(unknown, { total: 6, measured: 0, close: 0, stopped: 1 });
  });

  it('are none where nothing is limited', () => {
    const open = { ...limit, allowedLoss: Infinity };
    assert.equal(
      decisionsOf([step(0.8)], open, () => 0.1),
      undefined,
    );
  });
});
