import assert from 'node:assert/strict';
import type { Figure } from './figure.js';
import { feasible, ownLimits, selectedStep, type KeptRun, type Settings } from './runs.js';

/** The weights at which every figure with a slider for λ is looked at. */
export const LAMBDAS = [0, 0.25, 0.5, 0.75, 1] as const;

/** Pixels that a mark may stick out of the region that its centre is on the edge of. */
const EDGE = 0.6;

/** Each λ selects what `select` selects, under the limits of the search. */
export async function assertSelectsByLambda(figure: Figure, run: KeptRun): Promise<Set<number>> {
  const seen = new Set<number>();
  for (const lambda of LAMBDAS) {
    assert.equal(await figure.move('lambda', lambda), lambda);
    const expected = selectedStep(run, { lambda, ...ownLimits(run) });
    assert.equal(await figure.selected(), expected, `${run.folder}, λ = ${lambda}`);
    if (expected !== undefined) seen.add(expected);
  }
  return seen;
}

/** Shares of their ranges that the sliders of the limits are moved to, loss first. */
const PLACES = [
  [0.15, 1],
  [1, 0.3],
  [0.5, 0.5],
  [0.3, 0.2],
  [0.05, 0.05],
  [1, 1],
] as const;

/** Moved limits select anew, shade another region, and the region holds the plans that keep them. */
export async function assertFollowsLimits(figure: Figure, run: KeptRun): Promise<void> {
  const [mostLoss, mostMemory] = [
    await figure.largest('maxLoss'),
    await figure.largest('maxMemory'),
  ];
  const regions = new Set<string>();
  const selections = new Set<number | undefined>();
  for (const [lossShare, memoryShare] of PLACES) {
    const lambda = await figure.move('lambda', 0.25);
    const loss = await figure.move('maxLoss', lossShare * mostLoss);
    const bytes = 1e6 * (await figure.move('maxMemory', memoryShare * mostMemory));
    const settings: Settings = { lambda, loss, bytes };
    const place = `${run.folder}, loss ${loss}, ${bytes} bytes`;
    const selected = await figure.selected();
    assert.equal(selected, selectedStep(run, settings), place);
    selections.add(selected);
    regions.add(JSON.stringify(await figure.region()));
    await assertRegionHolds(figure, run, settings, place);
  }
  assert.equal(regions.size, PLACES.length, 'the region does not follow the sliders');
  assert.ok(selections.size > 1, 'limits that always leave the same plan show nothing');
}

/** A plan's mark lies in the shaded region where the plan keeps both limits, and outside where not. */
async function assertRegionHolds(
  figure: Figure,
  run: KeptRun,
  settings: Settings,
  place: string,
): Promise<void> {
  const region = await figure.region();
  const inside = new Set(feasible(run, settings).map(({ index }) => index));
  const exact = new Set(
    run.steps.filter((step) => step.metric !== undefined).map(({ index }) => index),
  );
  const points = await figure.points();
  assert.ok(points.size > 3, 'no points are drawn');
  for (const [step, box] of points) {
    if (!exact.has(step)) continue;
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const gap =
      region === undefined
        ? Infinity
        : Math.max(
            region.x - x,
            x - region.x - region.width,
            region.y - y,
            y - region.y - region.height,
          );
    if (inside.has(step)) assert.ok(gap < EDGE, `${place}: step ${step} lies outside the region`);
    else assert.ok(gap > -EDGE, `${place}: step ${step} lies in the region`);
  }
}
