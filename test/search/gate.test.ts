import assert from 'node:assert/strict';
import { Gate } from '../../src/search/gate.js';
import { Assignment } from '../../src/search/space.js';
import { tieredSearch, type TieredSearchOptions } from '../../src/search/tiers/tiers.js';
import { SearchError } from '../../src/util/errors.js';
import { additiveLoss, exactly, tersely, toySpace, toyUnits } from './toy.js';

const REASON = 'refused by the gate, not measured';
const units = toyUnits(2);
const space = toySpace(units, 100);
const loss = additiveLoss(units, [4, 0.2, 0.1, 0.2, 0.3, 0.05]);
const metricOf = (assignment: Assignment): number => 0.777 - loss(assignment);
const OPTIONS: TieredSearchOptions = {
  metric: 'accuracy',
  bits: [16, 12, 8, 6, 4],
  constraints: {
    loss: { kind: 'absolute', value: 0.05 },
    memory: { kind: 'share', share: 0.3 },
  },
};
/** A drift that knows the loss. */
const foresee = (assignment: Assignment): Promise<number> => Promise.resolve(loss(assignment));

describe('search/gate', () => {
  it('derives the threshold from the uniform plans on either side of the limit', async () => {
    const gate = new Gate(foresee);
    const result = await tieredSearch(space, exactly(metricOf).evaluate, { ...OPTIONS, gate });
    const all = units.map(({ id }) => id);
    const [kept, broke] = [8, 6].map((bits) => loss(Assignment.unquantized.with(all, bits)));
    const { threshold, origin, refused } = gate.used;
    assert.ok(Math.abs(threshold! - Math.sqrt(kept * broke)) < 1e-12);
    assert.match(origin, /^geometric mean of .*all at 8 bits, which keeps the limit, .*all at 6/);
    assert.ok(refused > 0);
    const gated = result.trace.filter(({ reason }) => reason === REASON);
    assert.equal(gated.length, refused);
    for (const { accepted, candidate, evaluation, gate: sight, stage } of gated) {
      assert.ok(!accepted && !candidate && sight!.drift > threshold!);
      assert.ok(evaluation.kind === 'verdict' && Number.isNaN(evaluation.bound));
      assert.notEqual(stage, 'global', 'nothing is refused before there is a threshold');
    }
  });

  it('never has a refused plan measured, not for the front and not for the nearest', async () => {
    for (const value of [0.05, -1]) {
      const gate = new Gate(foresee, value > 0 ? 0.045 : 1e-5);
      const asked: string[] = [];
      const constraints = {
        ...OPTIONS.constraints,
        loss: { kind: 'absolute', value: Math.max(value, 0) },
      } as const;
      const memory =
        value < 0 ? ({ kind: 'share', share: 0.01 } as const) : OPTIONS.constraints.memory!;
      const terse = tersely(metricOf);
      const result = await tieredSearch(
        space,
        (assignment, context) => {
          asked.push(assignment.key);
          return terse(assignment, context);
        },
        { ...OPTIONS, constraints: { ...constraints, memory }, gate },
      );
      const refused = result.trace.filter(({ gate: sight }) => sight);
      assert.ok(refused.length > 0);
      for (const { assignment } of refused) assert.ok(!asked.includes(assignment.key));
      assert.equal(result.nearest !== undefined, value < 0);
      // The baseline, and each step that was measured.
      if (value > 0) assert.equal(result.evaluations, 1 + result.trace.length - refused.length);
    }
  });

  it('changes no measured value, and nothing where it refuses nothing', async () => {
    const plain = await tieredSearch(space, exactly(metricOf).evaluate, OPTIONS);
    const open = new Gate(foresee, Infinity);
    const same = await tieredSearch(space, exactly(metricOf).evaluate, { ...OPTIONS, gate: open });
    assert.deepEqual(same, plain);
    // Uniform plans are all it measures beyond the threshold: a drift that knows the loss is never wrong.
    const exact = new Gate(foresee, 0.05);
    const gated = await tieredSearch(space, exactly(metricOf).evaluate, {
      ...OPTIONS,
      gate: exact,
    });
    assert.deepEqual(gated.candidates, plain.candidates);
    assert.equal(gated.final.key, plain.final.key);
  });

  it('refuses a drift that is no number, and wrongly where the drift says too much', async () => {
    const none = new Gate(() => Promise.resolve(NaN), 1);
    const result = await tieredSearch(space, exactly(metricOf).evaluate, {
      ...OPTIONS,
      gate: none,
    });
    assert.ok(result.trace.every(({ reason }) => reason === REASON));
    assert.equal(result.candidates.length, 0);
    assert.equal(result.nearest!.assignment.key, Assignment.unquantized.key);
  });

  it('has no threshold where no uniform plan breaks the limit', async () => {
    const gate = new Gate(foresee);
    const constraints = { loss: { kind: 'absolute', value: 10 } } as const;
    await tieredSearch(space, exactly(metricOf).evaluate, { ...OPTIONS, constraints, gate });
    assert.deepEqual(gate.used, {
      origin: 'none: no uniform plan breaks the limit',
      ...{ drifts: 0, refused: 0 },
    });
  });

  it('takes the plan that breaks the limit where none keeps it', async () => {
    const gate = new Gate(foresee);
    const constraints = { loss: { kind: 'absolute', value: 0 } } as const;
    await tieredSearch(space, exactly(metricOf).evaluate, { ...OPTIONS, constraints, gate });
    const all = Assignment.unquantized.with(
      units.map(({ id }) => id),
      16,
    );
    assert.equal(gate.used.threshold, loss(all));
    assert.match(gate.used.origin, /all at 16 bits, which breaks the limit/);
  });

  it('refuses a threshold that is none', () => {
    for (const threshold of [-1, NaN])
      assert.throws(() => new Gate(foresee, threshold), SearchError);
  });
});
