import assert from 'node:assert/strict';
import type { Figure } from './figure.js';
import {
  breakpoints,
  feasible,
  ownLimits,
  selectedStep,
  type KeptRun,
  type Settings,
} from './runs.js';

/** The weights at which every figure with a slider for λ is looked at. */
const LAMBDAS = [0, 0.5, 1] as const;
const SCORES = ['paper', 'balanced'] as const;

/** Pixels by which what is drawn may miss its place. */
const EDGE = 0.75;

/**
 * Each λ selects what `select` selects by either score, under the limits of the search: round ones by the
 * slider; each breakpoint, and the stops beside it, by the keyboard. The scale names each plan that is ever
 * selected, and the slider reaches it.
 */
export async function assertSelectsByLambda(figure: Figure, run: KeptRun): Promise<Set<number>> {
  const seen = new Set<number>();
  for (const score of SCORES) {
    await figure.choose(score);
    const check = async (lambda: number): Promise<void> => {
      const expected = selectedStep(run, { score, lambda, ...ownLimits(run) });
      assert.equal(await figure.selected(), expected, `${run.folder}, ${score}, λ = ${lambda}`);
      if (expected !== undefined) seen.add(expected);
    };
    for (const lambda of LAMBDAS) {
      assert.equal(await figure.moveLambda(score, lambda), lambda);
      await check(lambda);
    }
    const stops = await figure.stops(score);
    const breaks = breakpoints(run, score);
    const pieces = await figure.pieces();
    assert.deepEqual(
      pieces.map((piece) => Number(/ selects step (\d+): /.exec(piece)?.[1])).sort(byValue),
      breaks.map(({ step }) => step).sort(byValue),
      `${run.folder}, ${score}: the scale`,
    );
    const reached = new Set<number | undefined>();
    for (const { from } of breaks) {
      const place = stops.indexOf(from);
      assert.ok(place >= 0, `${run.folder}, ${score}: no stop at the breakpoint ${from}`);
      await figure.move('place', Math.max(0, place - 1));
      for (const at of [place - 1, place, place + 1].filter((each) => each >= 0)) {
        assert.equal(await figure.lambda(), stops[at]);
        await check(stops[at]);
        reached.add(await figure.selected());
        await figure.press('ArrowRight');
      }
    }
    for (const { step } of breaks)
      assert.ok(reached.has(step), `${run.folder}, ${score}: step ${step} is not reached`);
  }
  await figure.choose('paper');
  return seen;
}

const byValue = (one: number, other: number): number => one - other;

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
  await figure.choose('paper');
  const [mostLoss, mostMemory] = [
    await figure.largest('maxLoss'),
    await figure.largest('maxMemory'),
  ];
  const regions = new Set<string>();
  const selections = new Set<number | undefined>();
  for (const [lossShare, memoryShare] of PLACES) {
    const lambda = await figure.moveLambda('paper', 0.25);
    const own = ownLimits(run);
    const unit = run.candidates.metric === 'accuracy' ? 0.01 : 1;
    const loss = await moveLimit(figure, 'maxLoss', lossShare * mostLoss, unit, own.loss);
    const bytes = await moveLimit(figure, 'maxMemory', memoryShare * mostMemory, 1e6, own.bytes);
    const settings: Settings = { score: 'paper', lambda, loss, bytes };
    const place = `${run.folder}, loss ${loss}, ${bytes} bytes`;
    const selected = await figure.selected();
    assert.equal(selected, selectedStep(run, settings), place);
    selections.add(selected);
    regions.add(JSON.stringify(await figure.region()));
    await assertRegion(figure, run, settings, place);
  }
  assert.equal(regions.size, PLACES.length, 'the region does not follow the sliders');
  assert.ok(selections.size > 1, 'limits that always leave the same plan show nothing');
}

/**
 * Moves the slider of a limit, which shows rounded numbers in a unit of its own, and returns what it then
 * stands for: the search's own limit at the step nearest to it, else what it shows.
 */
async function moveLimit(
  figure: Figure,
  slider: string,
  to: number,
  unit: number,
  own: number,
): Promise<number> {
  const shown = await figure.move(slider, to);
  const step = await figure.step(slider);
  const nearest = Math.min(await figure.largest(slider), Math.round(own / unit / step) * step);
  return Math.abs(shown - nearest) < step / 100 ? own : shown * unit;
}

/**
 * The marks of two plans tell where on the screen a footprint and a metric lie. By that the region must end
 * at both limits, and hold the marks of the plans that keep them, and of no other.
 */
async function assertRegion(
  figure: Figure,
  run: KeptRun,
  settings: Settings,
  place: string,
): Promise<void> {
  const region = await figure.region();
  const marks = await measuredMarks(figure, run);
  const toX = scaleOf(marks.map(({ bytes, x }) => [bytes, x]));
  const toY = scaleOf(marks.map(({ metric, y }) => [metric, y]));
  const { metric, baseline } = run.candidates;
  const worst = metric === 'accuracy' ? baseline - settings.loss : baseline + settings.loss;
  assert.ok(region !== undefined, `${place}: no region`);
  const [right, lower] = [region.x + region.width, region.y + region.height];
  // Beyond the axis the region is cut.
  const isCut =
    toX(settings.bytes) > right && (await figure.largest('maxMemory')) * 1e6 <= settings.bytes + 1;
  if (!isCut) assert.ok(Math.abs(right - toX(settings.bytes)) < EDGE, `${place}: ${right}`);
  const edge = metric === 'accuracy' ? lower : region.y;
  assert.ok(Math.abs(edge - toY(worst)) < EDGE, `${place}: ${edge} is not at ${toY(worst)}`);
  const kept = new Set(feasible(run, settings).map(({ index }) => index));
  for (const { index, x, y } of marks) {
    const gap = Math.max(region.x - x, x - right, region.y - y, y - lower);
    if (kept.has(index)) assert.ok(gap < EDGE, `${place}: step ${index} lies outside the region`);
    else assert.ok(gap > -EDGE, `${place}: step ${index} lies in the region`);
  }
}

interface MeasuredMark {
  readonly index: number;
  readonly bytes: number;
  readonly metric: number;
  /** In pixels. */
  readonly x: number;
  readonly y: number;
}

/** The marks of the plans that were measured to the end. */
async function measuredMarks(figure: Figure, { steps }: KeptRun): Promise<MeasuredMark[]> {
  const points = await figure.points();
  return steps.flatMap(({ index, bytes, metric }) => {
    const place = points.get(index);
    if (metric === undefined || place === undefined) return [];
    return [{ index, bytes, metric, ...place }];
  });
}

/** The straight line through the pairs of the smallest and the largest value. */
function scaleOf(pairs: (readonly [value: number, pixel: number])[]): (value: number) => number {
  const sorted = pairs.toSorted(([one], [other]) => one - other);
  const [[from, start], [to, end]] = [sorted[0], sorted.at(-1)!];
  assert.ok(to > from, 'marks of one value only');
  return (value) => start + ((value - from) / (to - from)) * (end - start);
}
