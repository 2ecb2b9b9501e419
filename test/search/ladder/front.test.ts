import assert from 'node:assert/strict';
import { Anchors } from '../../../src/search/ladder/anchors.js';
import { frontOfEstimates, rungSizes } from '../../../src/search/ladder/rungs.js';
import { Assignment } from '../../../src/search/space.js';
import { tieredSearch } from '../../../src/search/tiers/tiers.js';
import type { Measurement } from '../../../src/tasks/metrics/metrics.js';
import { toySpace, toyUnits } from '../toy.js';

const UNITS = toyUnits(2);
const SPACE = toySpace(UNITS, 100);

describe('ladder: the front', () => {
  it('leaves out a plan that a smaller one is as good as within the noise', () => {
    const plan = (bytes: number, metric: number, error: number) => ({ bytes, metric, error });
    const [a, b, c, d] = [
      plan(1, 0.7, 0.01),
      plan(2, 0.71, 0.01),
      plan(3, 0.74, 0.01),
      plan(4, 0.741, 0),
    ];
    assert.deepEqual(frontOfEstimates([d, b, a, c], 'accuracy'), [a, c]);
    assert.deepEqual(frontOfEstimates([plan(2, 30, 0), plan(1, 30.5, 0)], 'perplexity').length, 2);
  });

  it('has rungs that rise to all items, none of fewer than 32', () => {
    assert.deepEqual(rungSizes(40), [40]);
    const sizes = rungSizes(1000);
    assert.equal(sizes.at(-1), 1000);
    assert.ok(sizes[0] >= 32 && sizes[0] < 64);
    for (const [index, size] of sizes.entries())
      if (index > 0) assert.ok(size > sizes[index - 1] && size <= 1.5 * sizes[index - 1]);
  });

  it('takes no plan that all items refuse, and measures the next one instead', async () => {
    const measured: string[] = [];
    const all = UNITS.map(({ id }) => id);
    const wrong = Assignment.unquantized.with(all, 4).key;
    const { trace, candidates } = await tieredSearch(
      SPACE,
      (assignment, { need, limit }) => {
        if (need === 'exact') {
          measured.push(assignment.key);
          // The sample was wrong about this one.
          return Promise.resolve({ kind: 'exact', metric: assignment.key === wrong ? 0.5 : 0.8 });
        }
        const passes = all.every((id) => assignment.bitsOf(id) >= 4);
        const bound = limit!.baseline - (passes ? 0.01 : 0.5);
        const rung = { items: 40, of: 400, level: 1e-5, error: 0.01, low: 0.7, high: 0.9 };
        return Promise.resolve({
          kind: 'verdict',
          passes,
          bound,
          rung: { ...rung, estimate: 0.79, clear: true },
        });
      },
      {
        metric: 'accuracy',
        bits: [8, 4, 2],
        constraints: {
          loss: { kind: 'absolute', value: 0.05 },
          memory: { kind: 'share', share: 0.4 },
        },
        sampled: true,
      },
    );
    const refused = trace.find(({ assignment }) => assignment.key === wrong)!;
    assert.deepEqual([refused.accepted, refused.candidate], [true, false]);
    assert.equal(refused.reason, 'loses too much on all items');
    assert.equal(candidates.length, 1);
    assert.equal(candidates[0].metric, 0.8);
    assert.equal(candidates[0].assignment.bitsOf(all[0]), 8);
    assert.deepEqual(measured, ['fp32', wrong, candidates[0].assignment.key]);
  });

  it('holds a step beside the nearest ancestor that was measured, at a share of the level', () => {
    const [one, two, three] = [8, 6, 4].map((bits) =>
      Assignment.unquantized.with([UNITS[0].id], bits),
    );
    const [baseline, of] = [{ value: 1 }, { value: 2 }] as Measurement[];
    const anchors = new Anchors();
    anchors.step(one, Assignment.unquantized);
    anchors.step(two, one);
    anchors.step(three, two);
    assert.deepEqual(anchors.of(three, baseline), { measurement: baseline, share: 1 / 2 });
    anchors.whole(one, of);
    assert.deepEqual(anchors.of(three, baseline), {
      measurement: of,
      assignment: one,
      share: 1 / 12,
    });
    assert.equal(anchors.of(two, baseline).share, 1 / 4);
    assert.equal(anchors.of(one, baseline).measurement, baseline);
  });
});
