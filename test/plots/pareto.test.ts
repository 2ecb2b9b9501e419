import assert from 'node:assert/strict';
import fc from 'fast-check';
import { paretoRows } from '../../src/plots/figures/pareto-rows.js';
import { paretoChart, type ParetoInput } from '../../src/plots/figures/pareto.js';
import { taskView } from '../../src/plots/parts/task-view.js';
import type { StepRecord } from '../../src/plots/records.js';
import { renderSvg, type HeadlessView } from '../../src/plots/render/headless.js';
import { meetsLimit } from '../../src/search/constraints.js';
import { paretoFront } from '../../src/search/pareto.js';
import { select } from '../../src/search/score.js';
import type { MetricName } from '../../src/tasks/metrics/metrics.js';
import {
  CASE_A1,
  CASE_B1,
  PAPER,
  SST2_BASELINE,
  toySearch,
  UNIFORM,
  WIKITEXT2_BASELINE,
} from './records.js';
import { assertGoodChart, rowsWith, setSignal, textsOf, withView } from './support.js';

const ACCURACY: ParetoInput = {
  steps: toySearch(SST2_BASELINE, CASE_A1),
  baseline: SST2_BASELINE,
  limits: CASE_A1,
  uniform: UNIFORM,
  paper: PAPER,
  name: 'a1',
};
const PERPLEXITY: ParetoInput = {
  ...ACCURACY,
  steps: toySearch(WIKITEXT2_BASELINE, CASE_B1),
  baseline: WIKITEXT2_BASELINE,
  limits: CASE_B1,
  name: 'b1',
};

/** The step that a λ selects, worked out the slow way, from the definition of the score. */
function argBest(
  input: ParetoInput,
  lambda: number,
  limits = input.limits,
): StepRecord | undefined {
  const { baseline, steps } = input;
  const accuracy = baseline.task === 'sst2';
  const feasible = steps.filter((step) => {
    const loss = accuracy ? baseline.metric - step.metric : step.metric - baseline.metric;
    return step.exact && loss <= limits.loss + 1e-12 && step.bytes <= limits.bytes;
  });
  const scores = feasible.map((step) => {
    const cost = (lambda * step.bytes) / baseline.bytes;
    return accuracy ? step.metric - cost : step.metric + cost;
  });
  const best = accuracy ? Math.max(...scores) : Math.min(...scores);
  return feasible[scores.indexOf(best)];
}

async function textsAt(
  view: HeadlessView,
  signals: Record<string, number | boolean>,
): Promise<string[]> {
  for (const [name, value] of Object.entries(signals)) setSignal(view, name, value);
  await view.runAsync();
  return textsOf(await view.toSVG());
}

function selectedStep(texts: readonly string[]): number | undefined {
  const status = texts
    .map((text) => /selects step (\d+),/.exec(text))
    .find((match) => match !== null);
  return status === undefined ? undefined : Number(status[1]);
}

describe('plots/pareto', () => {
  it('is valid and draws without a warning, with and without what is optional', async () => {
    await assertGoodChart(paretoChart(ACCURACY));
    await assertGoodChart(paretoChart(PERPLEXITY, { wikitext2: 'Articles (bundled)' }));
    const { steps, baseline, limits } = ACCURACY;
    await assertGoodChart(paretoChart({ steps, baseline, limits }));
    const model = 'a-model-with-a-very-long-name'.repeat(8);
    const long = steps.map((step) => ({ ...step, model }));
    await assertGoodChart(paretoChart({ steps: long, baseline: { ...baseline, model }, limits }));
    await assertGoodChart(
      paretoChart({ steps, baseline, limits: { loss: Infinity, bytes: Infinity } }),
    );
  });

  for (const [task, input] of Object.entries({ accuracy: ACCURACY, perplexity: PERPLEXITY }))
    it(`selects by ${task} what the definition of the score selects, at any λ`, async () => {
      const seen = new Set<number>();
      await withView(paretoChart(input), async (view) => {
        for (const lambda of [0, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1]) {
          const step = selectedStep(await textsAt(view, { lambda }));
          assert.equal(step, argBest(input, lambda)?.step, `λ = ${lambda}`);
          seen.add(step!);
        }
      });
      assert.ok(seen.size >= 2, 'a test that always selects the same plan shows nothing');
    });

  for (const [metric, input] of Object.entries({ accuracy: ACCURACY, perplexity: PERPLEXITY }))
    it(`selects by ${metric} what select() of the search selects, and has its Pareto front`, async () => {
      const { steps, baseline, limits } = input;
      const context = { metric: metric as MetricName, fp32Bytes: baseline.bytes };
      const quality = {
        metric: context.metric,
        baseline: baseline.metric,
        allowedLoss: limits.loss,
      };
      const candidates = steps.filter(
        (step) => step.exact && step.bytes <= limits.bytes && meetsLimit(quality, step.metric),
      );
      await withView(paretoChart(input), async (view) => {
        for (let lambda = 0; lambda <= 1; lambda += 0.125)
          assert.equal(
            selectedStep(await textsAt(view, { lambda })),
            select(candidates, lambda, context)?.step,
            `λ = ${lambda}`,
          );
      });
      const rows = paretoRows(input, taskView(baseline.task)).filter((row) => row.front);
      const exact = steps.filter((step) => step.exact);
      const front = paretoFront(exact, context.metric).map((step) => step.step);
      assert.deepEqual(new Set(rows.map((row) => row.step)), new Set(front));
    });

  it('agrees with the definition on any plans, ties and limits included', async () => {
    const plan = fc.record({
      metric: fc.integer({ min: 70, max: 80 }).map((percent) => percent / 100),
      bytes: fc.integer({ min: 1, max: 14 }).map((megabytes) => megabytes * 1e6),
      exact: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(plan, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 0, max: 8 }),
        async (plans, eighths) => {
          const [first] = ACCURACY.steps;
          const steps = plans.map((each, step) => ({ ...first, ...each, step }));
          const input = { ...ACCURACY, steps };
          await withView(paretoChart(input), async (view) => {
            const lambda = eighths / 8;
            const step = selectedStep(await textsAt(view, { lambda }));
            assert.equal(step, argBest(input, lambda)?.step);
          });
        },
      ),
      { numRuns: 25 },
    );
  });

  it('selects anew when the limits are moved, and says so when nothing is left', async () => {
    await withView(paretoChart(ACCURACY), async (view) => {
      for (const loss of [0.005, 0.012, 0.02, 0.045])
        for (const share of [0.2, 0.25, 0.4, 0.6]) {
          const limits = { loss, bytes: share * SST2_BASELINE.bytes };
          // The sliders are in percentage points and MB.
          const signals = { lambda: 0.25, maxLoss: 100 * loss, maxMemory: limits.bytes / 1e6 };
          const texts = await textsAt(view, signals);
          const expected = argBest(ACCURACY, 0.25, limits);
          assert.equal(selectedStep(texts), expected?.step, `${loss}, ${share}`);
          const nothing = texts.includes('No plan that was measured meets both limits.');
          assert.equal(nothing, expected === undefined);
        }
    });
  });

  it('starts at the limits to the last byte, and shows them rounded', async () => {
    const [first] = PERPLEXITY.steps;
    // Between the limit that is shown, 8.28 MB and 1 PPL, and the exact one.
    const limits = { loss: 1.0004, bytes: 8_283_907.776 };
    const within = { ...first, exact: true, step: 0, bytes: 8_283_907, metric: 36.32 + 1.0003 };
    const above = { ...within, step: 1, bytes: 8_283_908, metric: 36 };
    const input = { ...PERPLEXITY, steps: [within, above], limits };
    const sliders = Object.fromEntries(
      (paretoChart(input).params as { name: string; value?: number; bind?: { step: number } }[])
        .filter(({ bind }) => bind !== undefined)
        .map(({ name, value }) => [name, value]),
    );
    const { score, place, ...rest } = sliders;
    assert.equal(score, 'paper');
    assert.ok(Number.isInteger(place));
    assert.deepEqual(rest, { maxLoss: 1, maxMemory: 8.28, showPaper: true });
    await withView(paretoChart(input), async (view) => {
      assert.equal(selectedStep(textsOf(await view.toSVG())), 0);
      assert.equal(selectedStep(await textsAt(view, { maxMemory: 8.27 })), undefined);
      assert.equal(selectedStep(await textsAt(view, { maxMemory: 8.28 })), 0, 'back where it was');
      assert.equal(selectedStep(await textsAt(view, { maxMemory: 8.29 })), 1);
      assert.equal(
        selectedStep(await textsAt(view, { maxMemory: 8.28, maxLoss: 0.99 })),
        undefined,
      );
    });
  });

  it('has sliders whose labels name the unit, with round steps from end to end', () => {
    for (const input of [ACCURACY, PERPLEXITY]) {
      type Slider = {
        bind?: { input: string; min: number; max: number; step: number; name: string };
      };
      const binds = (paretoChart(input).params as readonly (Slider & { value: number })[]).flatMap(
        ({ bind, value }) => (bind?.input === 'range' ? [{ ...bind, value }] : []),
      );
      assert.deepEqual(
        binds.map(({ name }) => name),
        [
          'λ: stop of the scale drawn',
          input === ACCURACY
            ? 'Largest drop of accuracy (% points)'
            : 'Largest rise of perplexity (PPL)',
          'Largest footprint (MB)',
        ],
      );
      for (const { name, value, max, step } of binds) {
        assert.match(String(step), /^(0\.0*)?10*$/, name);
        for (const place of [value, max])
          assert.ok(Math.abs(place / step - Math.round(place / step)) < 1e-6, `${name}: ${place}`);
        assert.ok(String(value).length <= 5, `${name}: ${value}`);
      }
    }
  });

  it('of equal scores selects the earliest step, and never one without its metric', async () => {
    const [first] = ACCURACY.steps;
    const same = { ...first, metric: 0.77, bytes: 3e6, exact: true };
    const steps = [
      { ...same, step: 0, exact: false, metric: 0.8 },
      { ...same, step: 1 },
      { ...same, step: 2 },
    ];
    await withView(paretoChart({ ...ACCURACY, steps }), async (view) => {
      for (const lambda of [0, 0.5, 1])
        assert.equal(selectedStep(await textsAt(view, { lambda })), 1);
    });
  });

  it('shows the bits of the plan selected, block by block', async () => {
    await withView(paretoChart(PERPLEXITY), async (view) => {
      for (const lambda of [0, 1]) {
        setSignal(view, 'lambda', lambda);
        await view.runAsync();
        const cells = [
          ...(await view.toSVG()).matchAll(
            /aria-label="[^"]*Part: ([^;]+); Bits a weight: (\d+)"/g,
          ),
        ];
        const shown = cells.map(([, part, bits]) => ({ part, bits: Number(bits) }));
        const expected = argBest(PERPLEXITY, lambda)!.units.map(({ part, bits }) => ({
          part,
          bits,
        }));
        assert.deepEqual(shown, expected);
      }
    });
  });

  it('draws the equal-score line through the selected plan with slope λ/m_0', async () => {
    await withView(paretoChart(ACCURACY), async (view) => {
      const lambda = 0.25;
      setSignal(view, 'lambda', lambda);
      await view.runAsync();
      const [line] = rowsWith(view, 'leftMetric', 'rightMetric');
      const { left, right, leftMetric, rightMetric } = line as Record<string, number>;
      const slope = (rightMetric - leftMetric) / (right - left);
      assert.ok(Math.abs(slope - (lambda * 1e6) / SST2_BASELINE.bytes) < 1e-9);
      const best = argBest(ACCURACY, lambda)!;
      const score = best.metric - (lambda * best.bytes) / SST2_BASELINE.bytes;
      assert.ok(Math.abs(leftMetric - score) < 1e-9);
    });
  });

  it('hides the paper’s points on request, and has no switch without them', async () => {
    const pointsOf = (svg: string): number => svg.split('Plan: paper, case').length - 1;
    await withView(paretoChart(ACCURACY), async (view) => {
      assert.equal(pointsOf(await view.toSVG()), 2);
      view.signal('showPaper', false);
      await view.runAsync();
      assert.equal(pointsOf(await view.toSVG()), 0);
    });
    const { steps, baseline, limits } = ACCURACY;
    assert.ok(!JSON.stringify(paretoChart({ steps, baseline, limits })).includes('showPaper'));
  });

  it('names the paper’s points, those of one place together', async () => {
    const twice = { ...PAPER[1], name: 'a3' };
    const svg = await renderSvg(paretoChart({ ...ACCURACY, paper: [...PAPER, twice] }));
    const texts = textsOf(svg);
    // Each on its white rim.
    for (const label of ['a1', 'a2, a3'])
      assert.equal(texts.filter((text) => text === label).length, 2, label);
    assert.ok(!texts.includes('a3') && !texts.includes('b1'));
  });

  it('draws uniform plans under those of the search, and says what is faint', async () => {
    const svg = await renderSvg(paretoChart(ACCURACY));
    const lastCross = svg.lastIndexOf('From: uniform;');
    const firstStep = svg.indexOf('From: global tier;');
    assert.ok(lastCross > 0 && firstStep > lastCross);
    assert.ok(textsOf(svg).some((text) => text.includes('faint: breaks a limit')));
  });

  it('carries the paper’s change over to our baseline', () => {
    const rows = paretoRows(ACCURACY, taskView('sst2')).filter((row) => row.series === 'paper');
    assert.equal(rows.length, 2);
    assert.ok(Math.abs(rows[0].metric - (0.777 - 0.013)) < 1e-12);
    assert.ok(Math.abs(rows[0].mb - 0.143 * 14.7) < 1e-9);
    assert.equal(rows[0].metricText, '84.4 % from 85.7 %');
  });

  for (const [task, input] of Object.entries({ accuracy: ACCURACY, perplexity: PERPLEXITY }))
    it(`finds the Pareto front by ${task}: no plan beats one of it, each other is beaten`, () => {
      const sign = task === 'accuracy' ? 1 : -1;
      const rows = paretoRows(input, taskView(input.baseline.task)).filter((row) => row.selectable);
      const beats = (a: (typeof rows)[0], b: (typeof rows)[0]): boolean =>
        a.mb <= b.mb &&
        sign * a.metric >= sign * b.metric &&
        (a.mb < b.mb || a.metric !== b.metric || a.step < b.step);
      for (const row of rows)
        assert.equal(row.front, !rows.some((other) => beats(other, row)), row.plan);
      assert.ok(rows.some((row) => row.front) && rows.some((row) => !row.front));
    });

  it('leaves out a plan that broke the model, and says so', async () => {
    const steps = PERPLEXITY.steps.map((step) =>
      step.step === 4 ? { ...step, metric: NaN } : step,
    );
    await assertGoodChart(paretoChart({ ...PERPLEXITY, steps }));
    const texts = textsOf(await renderSvg(paretoChart({ ...PERPLEXITY, steps })));
    assert.ok(texts.some((text) => text.includes('; 1 without a number')));
  });

  it('refuses steps of another task, no steps, and a λ that is none', () => {
    assert.throws(() => paretoChart({ ...ACCURACY, steps: [] }), /no plan to draw/);
    assert.throws(
      () => paretoChart({ ...ACCURACY, baseline: WIKITEXT2_BASELINE }),
      /do not belong together; got sst2 on spikegpt-mini-sst2; expected wikitext2/,
    );
    assert.throws(
      () => paretoChart({ ...ACCURACY, score: 'balanced', lambda: 1.5 }),
      /got 1.5; expected a number from 0 to 1/,
    );
    assert.throws(
      () => paretoChart({ ...ACCURACY, lambda: -1 }),
      /expected a number of at least 0/,
    );
  });
});
