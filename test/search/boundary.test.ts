import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  around,
  doubling,
  findBoundary,
  inOrder,
  middle,
  type Probe,
} from '../../src/search/tiers/boundary.js';

/** Verdicts from losses with an allowance of 0: passes while the loss is at most 0. */
async function find(
  losses: readonly number[],
  probe: Probe,
  { neighbours = 0, slack = 0, startMargin = Infinity } = {},
): Promise<{ firstFailure: number; monotone: boolean; asked: number[] }> {
  const asked: number[] = [];
  const found = await findBoundary(
    losses.length,
    (step) => {
      asked.push(step);
      return Promise.resolve({ passes: losses[step] <= 0, margin: -losses[step] });
    },
    { probe, neighbours, slack, startMargin },
  );
  return { ...found, asked };
}

/** `passing` steps that pass, then failures. */
const chain = (steps: number, passing: number): number[] =>
  Array.from({ length: steps }, (_, step) => (step < passing ? -1 : 1));

describe('search/boundary', () => {
  const probes: Record<string, Probe> = { inOrder, middle, doubling };
  for (const guess of [-1, 0, 3, 99]) probes[`around ${guess}`] = around(guess);

  for (const [name, probe] of Object.entries(probes)) {
    it(`${name} finds every boundary of a monotone chain, and asks no step twice`, async () => {
      for (let steps = 0; steps <= 12; steps++)
        for (let passing = 0; passing <= steps; passing++)
          for (const neighbours of [0, 1, 5]) {
            const found = await find(chain(steps, passing), probe, { neighbours });
            assert.equal(found.firstFailure, passing);
            assert.ok(found.monotone);
            assert.equal(new Set(found.asked).size, found.asked.length);
          }
    });
  }

  it('asks few: in order all, by the middle the logarithm, by doubling one where the first fails', async () => {
    const asked = async (probe: Probe, passing: number): Promise<number[]> =>
      (await find(chain(64, passing), probe)).asked;
    assert.equal((await asked(inOrder, 40)).length, 41);
    for (const passing of [0, 1, 31, 64]) assert.ok((await asked(middle, passing)).length <= 7);
    assert.deepEqual(await asked(doubling, 0), [0]);
    assert.deepEqual(await asked(doubling, 64), [0, 2, 6, 14, 30, 62, 63]);
    assert.deepEqual(await asked(around(30), 31), [30, 31]);
  });

  it('walks in order where a neighbour fails', async () => {
    // Bisection asks 3, 5 and 6 of seven and would not see that 4 fails.
    const losses = [-1, -1, -1, -1, 1, -1, 1];
    assert.equal((await find(losses, middle)).firstFailure, 6);
    const checked = await find(losses, middle, { neighbours: 1 });
    assert.deepEqual([checked.firstFailure, checked.monotone], [4, false]);
  });

  it('asks every step that a pass below does not vouch for by the slack', async () => {
    // Steps 3 and 4 pass narrowly: they do not vouch for what is above.
    const losses = [-3, 0.5, -2, -0.5, -0.5, 1];
    assert.equal((await find(losses, doubling)).firstFailure, 5);
    const careful = await find(losses, doubling, { slack: 2.5 });
    assert.deepEqual([careful.firstFailure, careful.monotone], [1, false]);
  });

  it('goes in order from a start that is within the slack of the limit', async () => {
    const found = await find(chain(8, 3), middle, { slack: 2, startMargin: 1.5 });
    assert.deepEqual(found.asked, [0, 1, 2, 3]);
  });

  it('equals a walk in order wherever no step loses more than one below it by over the slack', async () => {
    const scenario = fc.record({
      rises: fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { maxLength: 15 }),
      noise: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 15, maxLength: 15 }),
      start: fc.double({ min: -12, max: 1, noNaN: true }),
      slack: fc.constantFrom(0, 0.3, 1.5),
      neighbours: fc.integer({ min: 0, max: 2 }),
      probe: fc.constantFrom<Probe>(middle, doubling, around(4)),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ rises, noise, start, slack, neighbours, probe }) => {
        let level = start;
        const losses = rises.map((rise, step) => (level += rise) + slack * noise[step]);
        const first = losses.findIndex((loss) => loss > 0);
        const expected = first === -1 ? losses.length : first;
        const found = await find(losses, probe, { slack, neighbours, startMargin: -start });
        assert.equal(found.firstFailure, expected);
      }),
      { seed: 10, numRuns: 3000 },
    );
  });
});
