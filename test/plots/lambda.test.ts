import assert from 'node:assert/strict';
import fc from 'fast-check';
import { paretoChart, type ParetoInput } from '../../src/plots/figures/pareto.js';
import { lambdaChart, type LambdaInput, type LambdaSearch } from '../../src/plots/lambda/chart.js';
import { lambdaStops, scoresOf } from '../../src/plots/lambda/scores.js';
import { taskView } from '../../src/plots/parts/task-view.js';
import type { StepRecord } from '../../src/plots/records.js';
import { renderSvg, type HeadlessView } from '../../src/plots/render/headless.js';
import { meetsLimit } from '../../src/search/constraints.js';
import { lambdaIntervals, scoreContext, type ScoreName } from '../../src/search/score.js';
import { selectWithin, tiesAmong } from '../../src/search/ties.js';
import type { MetricName } from '../../src/tasks/metrics/metrics.js';
import { CASE_A1, CASE_B1, SST2_BASELINE, toySearch, WIKITEXT2_BASELINE } from './records.js';
import { assertGoodChart, rowsWith, textsOf, withView } from './support.js';

const ACCURACY: ParetoInput = {
  steps: toySearch(SST2_BASELINE, CASE_A1),
  baseline: SST2_BASELINE,
  limits: CASE_A1,
};
const PERPLEXITY: ParetoInput = {
  steps: toySearch(WIKITEXT2_BASELINE, CASE_B1),
  baseline: WIKITEXT2_BASELINE,
  limits: CASE_B1,
};
const INPUTS = { accuracy: ACCURACY, perplexity: PERPLEXITY } as const;
const SCORES = ['paper', 'balanced'] as const;

const metricOf = ({ baseline }: ParetoInput): MetricName =>
  baseline.task === 'sst2' ? 'accuracy' : 'perplexity';

const qualityOf = (input: ParetoInput, loss = input.limits.loss) => ({
  metric: metricOf(input),
  baseline: input.baseline.metric,
  allowedLoss: loss,
});

function candidatesOf(input: ParetoInput, limits = input.limits): StepRecord[] {
  return input.steps.filter(
    ({ exact, metric, bytes }) =>
      exact && bytes <= limits.bytes && meetsLimit(qualityOf(input, limits.loss), metric),
  );
}

/** In the units of the search's own limits, wherever the sliders stand. */
const contextOf = (input: ParetoInput, score: ScoreName) =>
  scoreContext(
    score,
    { quality: qualityOf(input), maxBytes: input.limits.bytes },
    input.baseline.bytes,
  );

async function selectedAt(
  view: HeadlessView,
  signals: Readonly<Record<string, number | string | boolean>>,
): Promise<number | undefined> {
  for (const [name, value] of Object.entries(signals)) view.signal(name, value as number);
  await view.runAsync();
  const rows = rowsWith(view, 'selected', 'tieWorse', 'step').filter(({ selected }) => selected);
  const steps = new Set(rows.map(({ step }) => step as number));
  assert.ok(steps.size <= 1);
  return [...steps].at(0);
}

describe('plots/lambda', () => {
  for (const [metric, input] of Object.entries(INPUTS))
    for (const score of SCORES)
      it(`selects by ${metric} and the ${score} score what the search selects, at every stop of the slider`, async () => {
        const candidates = candidatesOf(input);
        const context = contextOf(input, score);
        const seen = new Set<number>();
        await withView(paretoChart(input), async (view) => {
          const stops = (view.signal('lambdaStops') as Record<ScoreName, number[]>)[score];
          for (const [place, lambda] of stops.entries()) {
            const step = await selectedAt(view, { score, place });
            assert.equal(view.signal('lambda'), lambda);
            const expected = selectWithin(candidates, lambda, context, undefined);
            assert.equal(step, expected?.step, `λ = ${lambda}`);
            seen.add(step!);
          }
          const hull = lambdaIntervals(candidates, context);
          assert.ok(hull.length > 1);
          for (const { candidate, from } of hull) {
            assert.ok(seen.has(candidate.step), `step ${candidate.step} is stepped over`);
            assert.ok(stops.includes(from), `no stop at ${from}`);
          }
        });
      });

  it('draws the plan of each λ, as the intervals of the search have it, and follows the limits', async () => {
    for (const input of [ACCURACY, PERPLEXITY])
      await withView(paretoChart(input), async (view) => {
        for (const score of SCORES)
          for (const share of [1, 0.6, 0.3]) {
            const limits = { loss: share * input.limits.loss, bytes: input.limits.bytes };
            view.signal('score', score);
            view.signal('maxLoss', limits.loss * (metricOf(input) === 'accuracy' ? 100 : 1));
            await view.runAsync();
            const shown = scaleRows(view);
            const expected = lambdaIntervals(candidatesOf(input, limits), contextOf(input, score));
            assert.deepEqual(
              shown.map(({ step }) => step),
              expected.map(({ candidate }) => candidate.step),
            );
            for (const [index, { from, to }] of expected.entries()) {
              assert.ok(Math.abs(shown[index].from - from) <= 1e-9 * Math.max(1, from));
              if (Number.isFinite(to))
                assert.ok(Math.abs(shown[index].end - to) <= 1e-9 * Math.max(1, to));
              else assert.ok(shown[index].end > 1e200);
            }
          }
      });
  });

  it('marks each breakpoint, and names the score by its formula', async () => {
    for (const input of [ACCURACY, PERPLEXITY])
      await withView(paretoChart(input), async (view) => {
        for (const score of SCORES) {
          view.signal('score', score);
          await view.runAsync();
          const svg = await view.toSVG();
          const breaks = lambdaIntervals(candidatesOf(input), contextOf(input, score)).slice(1);
          const ranges = [...svg.matchAll(/aria-label="λ ([^"]+?) selects step (\d+):/g)];
          assert.equal(ranges.length, breaks.length + 1);
          assert.ok(
            breaks.every(({ candidate }) =>
              ranges.some(([, , step]) => Number(step) === candidate.step),
            ),
          );
          const title = textsOf(svg).find((text) => text.startsWith('Plan that each λ selects'));
          assert.match(
            title!,
            score === 'paper' ? /score paper: .*λ · memory/ : /score balanced: \(1 − λ\)/,
          );
        }
      });
  });

  it('has an option of each score that says its formula', () => {
    const switchOf = (input: ParetoInput): string[] => {
      const { params } = paretoChart(input) as unknown as {
        params: { name: string; bind?: { labels?: string[] } }[];
      };
      return params.find(({ name }) => name === 'score')!.bind!.labels!;
    };
    assert.deepEqual(switchOf(ACCURACY), [
      'paper: accuracy − λ · memory/fp32 memory, largest wins',
      'balanced: (1 − λ) · loss/(2 points) + λ · memory/(6.82 MB), smallest wins',
    ]);
    assert.deepEqual(switchOf(PERPLEXITY), [
      'paper: perplexity + λ · memory/fp32 memory, smallest wins',
      'balanced: (1 − λ) · loss/(1 of perplexity) + λ · memory/(8.28 MB), smallest wins',
    ]);
  });

  it('takes the smallest within one standard error where the box is ticked', async () => {
    const candidates = candidatesOf(ACCURACY);
    const ties = tiesAmong(candidates, { metric: 'accuracy' }, () => 0.006);
    const steps = ACCURACY.steps.map((step) => {
      const own = ties.get(step.step);
      return { ...step, ...(own && { ties: own }) };
    });
    const chart = paretoChart({ ...ACCURACY, steps, tie: 'one-se' });
    await assertGoodChart(chart);
    let differing = 0;
    await withView(chart, async (view) => {
      for (const score of SCORES) {
        const stops = (view.signal('lambdaStops') as Record<ScoreName, number[]>)[score];
        for (let place = 0; place < stops.length; place += 7) {
          const context = contextOf(ACCURACY, score);
          for (const oneSe of [true, false]) {
            const expected = selectWithin(
              candidates,
              stops[place],
              context,
              oneSe ? ties : undefined,
            );
            assert.equal(await selectedAt(view, { score, place, oneSe }), expected?.step);
            const plain = selectWithin(candidates, stops[place], context, undefined);
            if (plain !== expected) differing++;
          }
        }
      }
    });
    assert.ok(differing > 0, 'a rule that never matters shows nothing');
    assert.ok(!JSON.stringify(paretoChart(ACCURACY)).includes('oneSe'));
  });

  it('agrees on any plans, ties included, by the balanced score', async () => {
    const plan = fc.record({
      metric: fc.integer({ min: 70, max: 80 }).map((percent) => percent / 100),
      bytes: fc.integer({ min: 1, max: 6 }).map((megabytes) => megabytes * 1e6),
      exact: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(plan, { minLength: 1, maxLength: 12 }),
        fc.constantFrom(0, 0.25, 0.5, 1),
        async (plans, lambda) => {
          const [first] = ACCURACY.steps;
          const input = {
            ...ACCURACY,
            steps: plans.map((each, step) => ({ ...first, ...each, step })),
          };
          const chart = paretoChart({ ...input, score: 'balanced', lambda });
          await withView(chart, async (view) => {
            const context = contextOf(input, 'balanced');
            const expected = selectWithin(candidatesOf(input), lambda, context, undefined);
            assert.equal(await selectedAt(view, {}), expected?.step);
          });
        },
      ),
      { numRuns: 25 },
    );
  });

  it('has stops as many of either score, that reach beyond the first and the last breakpoint', () => {
    for (const input of [ACCURACY, PERPLEXITY]) {
      const scores = scoresOf(input.baseline, input.limits, taskView(input.baseline.task));
      const candidates = candidatesOf(input);
      const { paper, balanced, least, most } = lambdaStops([{ candidates, scores }], { paper: 37 });
      assert.equal(paper.length, balanced.length);
      assert.ok(paper.includes(37) && paper[0] === 0 && balanced[0] === 0 && balanced.at(-1) === 1);
      // The values that tables speak of, whatever it starts at.
      for (const round of [0.25, 0.5, 0.75, 1])
        for (const stops of [paper, balanced]) assert.ok(stops.includes(round), String(round));
      const breaks = lambdaIntervals(candidates, scores.paper).slice(1);
      assert.ok(breaks.every(({ from }) => from > least && from < most));
      for (const stops of [paper, balanced])
        assert.ok(stops.every((stop, index) => index === 0 || stop > stops[index - 1]));
      assert.equal(lambdaStops([{ candidates: [], scores }], {}).paper.at(-1), 10);
    }
  });

  it('says that a pace has skipped candidates', async () => {
    const remark = 'pace bisection: candidates were skipped';
    await withView(paretoChart({ ...ACCURACY, remark }), async (view) => {
      assert.ok(textsOf(await view.toSVG()).includes(remark));
    });
  });
});

describe('plots/lambda chart', () => {
  const search = (input: ParetoInput, name: string, limits = input.limits): LambdaSearch => ({
    name,
    limits,
    candidates: candidatesOf(input, limits).map(({ step, metric, bytes }) => ({
      ...{ step, metric, bytes },
      plan: `step ${step}`,
    })),
  });
  const wider = { ...CASE_A1, loss: 2 * CASE_A1.loss };
  const chartOf = (input: ParetoInput): LambdaInput => ({
    baseline: input.baseline,
    searches: [
      search(input, 'one'),
      search(input, 'other', input === ACCURACY ? wider : { ...CASE_B1, bytes: 5e6 }),
    ],
  });

  it('is valid and draws without a warning, for one search and for three', async () => {
    for (const input of [ACCURACY, PERPLEXITY]) {
      const { baseline, searches } = chartOf(input);
      await assertGoodChart(lambdaChart({ baseline, searches }));
      await assertGoodChart(lambdaChart({ baseline, searches: searches.slice(0, 1) }));
      const remarks = ['one: pace bisection'];
      const third = { ...searches[0], name: 'third' };
      const three = lambdaChart({ baseline, searches: [...searches, third], remarks });
      await assertGoodChart(three);
      await withView(three, async (view) => {
        assert.ok(textsOf(await view.toSVG()).includes(remarks[0]));
      });
    }
  });

  it('has a step for each breakpoint of each search, by both scores', async () => {
    for (const input of [ACCURACY, PERPLEXITY]) {
      const { baseline, searches } = chartOf(input);
      const svg = await renderSvg(lambdaChart({ baseline, searches }));
      for (const [panel, score] of SCORES.entries())
        for (const each of searches) {
          const scores = scoresOf(baseline, each.limits, taskView(baseline.task));
          const expected = lambdaIntervals(each.candidates, scores[score]);
          const drawn = [
            ...svg.matchAll(/aria-label="[^"]*Case: (\w+); λ: ([^;]+); Plan: (step \d+)/g),
          ];
          for (const { candidate, from } of expected) {
            const text = String(Number(from.toPrecision(3)));
            const pieces = drawn.filter(
              ([, name, range, plan]) =>
                name === each.name && range.startsWith(`${text} `) && plan === candidate.plan,
            );
            // Memory and metric.
            assert.ok(pieces.length >= 2, `${each.name}, panel ${panel}, λ from ${text}`);
          }
        }
    }
  });

  it('stars the plan that the search selects, at every stop, each search in its own units', async () => {
    for (const input of [ACCURACY, PERPLEXITY]) {
      const { baseline, searches } = chartOf(input);
      await withView(lambdaChart({ baseline, searches }), async (view) => {
        for (const score of SCORES) {
          const stops = (view.signal('lambdaStops') as Record<ScoreName, number[]>)[score];
          for (let place = 0; place < stops.length; place += 3) {
            view.signal('score', score);
            view.signal('place', place);
            await view.runAsync();
            const rows = rowsWith(view, 'selected', 'unitLoss').filter(({ selected }) => selected);
            const starred = new Map(rows.map((row) => [row.case, row.step]));
            for (const { name, candidates, limits } of searches) {
              const context = scoresOf(baseline, limits, taskView(baseline.task))[score];
              const expected = selectWithin(candidates, stops[place], context, undefined);
              assert.equal(starred.get(name), expected?.step, `${name}, λ = ${stops[place]}`);
            }
          }
        }
      });
    }
  });

  it('refuses searches that found nothing', () => {
    const none = { ...search(ACCURACY, 'none'), candidates: [] };
    assert.throws(
      () => lambdaChart({ baseline: ACCURACY.baseline, searches: [none] }),
      /1 searches without a candidate/,
    );
  });
});

interface ScaleRow {
  readonly step: number;
  readonly from: number;
  readonly end: number;
}

function scaleRows(view: HeadlessView): ScaleRow[] {
  const rows = rowsWith(view, 'range', 'left', 'right') as unknown as ScaleRow[];
  return [...rows].sort((one, other) => one.from - other.from);
}
