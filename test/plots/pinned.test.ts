import assert from 'node:assert/strict';
import { measuredText, paretoRows, type ParetoRow } from '../../src/plots/figures/pareto-rows.js';
import { paretoChart, type ParetoInput } from '../../src/plots/figures/pareto.js';
import { traceChart } from '../../src/plots/figures/trace.js';
import { barWithin } from '../../src/plots/parts/interval-bars.js';
import { taskView } from '../../src/plots/parts/task-view.js';
import type { HeadlessView } from '../../src/plots/render/headless.js';
import {
  CASE_A1,
  CASE_B1,
  PAPER,
  SST2_BASELINE,
  toySearch,
  UNIFORM,
  WIKITEXT2_BASELINE,
} from './records.js';
import { assertGoodChart, rowsWith, textsOf, withView } from './support.js';

const INPUT: ParetoInput = {
  steps: toySearch(SST2_BASELINE, CASE_A1),
  baseline: SST2_BASELINE,
  limits: CASE_A1,
  name: 'a1',
};

describe('plots/pareto, beyond selection', () => {
  it('says of a bound which side it is on, and draws it open', async () => {
    const [accuracy, perplexity] = [taskView('sst2'), taskView('wikitext2')];
    const text = (accepted: boolean, view: typeof accuracy): string =>
      measuredText({ metric: 0.75, exact: false, accepted }, view);
    assert.match(text(false, accuracy), /^at most 75\.0 %/);
    assert.match(text(true, accuracy), /^at least 75\.0 %/);
    assert.match(text(false, perplexity), /^at least 0\.75/);
    assert.match(text(true, perplexity), /^at most 0\.75/);
    const bounds = INPUT.steps.filter(({ exact }) => !exact).length;
    await withView(traceChart({ ...INPUT, limits: CASE_A1 }), async (view) => {
      const svg = await view.toSVG();
      // Once a panel.
      assert.equal(svg.split('fill-opacity="0"').length - 1, 2 * bounds);
    });
  });

  it('prefers the paired interval, and cuts a bar where the axis ends', () => {
    const step = { low: 0.7, high: 0.8, pairedLow: 0.74, pairedHigh: 0.79 };
    assert.deepEqual(barWithin(step, [0.75, 0.9]), {
      barLow: 0.75,
      barHigh: 0.79,
      cutLow: 0.75,
      cutHigh: null,
    });
    const text = measuredText({ ...step, metric: 0.77, exact: true }, taskView('sst2'));
    assert.equal(text, '77.0 % (95 % beside fp32: 74.0 % to 79.0 %)');
  });

  /** Pins a row as a click does, by filling the selection's store, and reads what is said of it. */
  async function pinnedTexts(view: HeadlessView, row: ParetoRow): Promise<string[]> {
    type Store = { data(name: string, rows: readonly object[]): unknown };
    const fields = ['step', 'plan'].map((field) => ({ field, channel: undefined, type: 'E' }));
    const tuple = { unit: '', fields, values: [row.step, row.plan] };
    (view as unknown as Store).data('pinned_store', [tuple]);
    await view.runAsync();
    return textsOf(await view.toSVG());
  }

  /** Each step with made-up losses against those before it: from 0.001·step below 0 to 0.002·step above. */
  const compared = (input: ParetoInput): ParetoInput => ({
    ...input,
    steps: input.steps.map((step) => ({
      ...step,
      against: INPUT.steps
        .filter((other) => other.step < step.step)
        .map((other) => ({ step: other.step, low: -0.001 * step.step, high: 0.002 * step.step })),
    })),
  });

  for (const [name, input] of [
    ['accuracy', compared(INPUT)],
    [
      'perplexity',
      compared({
        steps: toySearch(WIKITEXT2_BASELINE, CASE_B1),
        baseline: WIKITEXT2_BASELINE,
        limits: CASE_B1,
      }),
    ],
  ] as const)
    it(`says of a pinned plan how its ${name} differs from the selected one's, with its interval`, async () => {
      await withView(paretoChart(input), async (view) => {
        const before = textsOf(await view.toSVG());
        assert.ok(!before.some((text) => text.startsWith('Pinned')));
        assert.ok(before.some((text) => text.startsWith('No plan pinned: click a point')));
        const task = taskView(input.baseline.task);
        const rows = paretoRows(input, task);
        const shown = rowsWith(view, 'selected', 'step').find((row) => row.selected)!
          .step as number;
        const selected = rows.find(({ step }) => step === shown)!;
        const { unit } = task.metric.loss;
        const digits = name === 'accuracy' ? 1 : 2;
        const signed = (value: number): string => {
          return `${value < 0 ? '−' : '+'}${Math.abs(value / unit).toFixed(digits)}`;
        };
        const words = name === 'accuracy' ? 'points' : 'of perplexity';
        const others = rows.filter(({ selectable, step }) => selectable && step !== shown);
        const sides = [
          others.find(({ step }) => step < shown)!,
          others.find(({ step }) => step > shown)!,
        ];
        for (const pinned of sides) {
          const texts = await pinnedTexts(view, pinned);
          assert.ok(texts.includes(`Pinned: ${pinned.plan}`));
          assert.ok(texts.includes('Bits of the plan pinned'));
          const later = Math.max(pinned.step, shown);
          // The loss of the later plan from −0.001·later to 0.002·later, seen from the selected one.
          const turned = pinned.step > shown === (name === 'accuracy');
          const [low, high] = [-0.001 * later, 0.002 * later];
          const ends = turned ? [-high, -low] : [low, high];
          const change = signed(pinned.metric - selected.metric);
          const size = Math.abs(pinned.mb - selected.mb).toFixed(2);
          const more = pinned.mb > selected.mb ? 'more' : 'less';
          const expected = `Against the plan selected: ${change} ${words} (95 %, item by item: ${signed(ends[0])} to ${signed(ends[1])}, may be chance), ${size} MB ${more}`;
          assert.ok(texts.includes(expected), `${expected}\n${texts.join('\n')}`);
        }
        assert.ok((await pinnedTexts(view, selected)).includes('It is the plan selected'));
      });
    });

  it('gives no difference in metric where a bound is all that is known, and no interval without items', async () => {
    await withView(paretoChart({ ...INPUT, uniform: UNIFORM, paper: PAPER }), async (view) => {
      const rows = paretoRows({ ...INPUT, uniform: UNIFORM, paper: PAPER }, taskView('sst2'));
      const said = async (row: ParetoRow): Promise<string> =>
        (await pinnedTexts(view, row)).find((text) => text.startsWith('Against '))!;
      for (const row of [
        rows.find(({ bound }) => bound)!,
        rows.find(({ series }) => series === 'paper')!,
      ])
        assert.match(await said(row), /^Against the plan selected: \d\.\d\d MB (more|less)$/);
      for (const row of [
        rows.find(({ series }) => series === 'uniform')!,
        rows.find(({ series }) => series === 'fp32')!,
        rows.find(({ selectable, step }) => selectable && step === 1)!,
      ])
        assert.match(await said(row), /: [+−]\d+\.\d points \(not compared item by item\), /);
    });
  });

  it('takes the difference to fp32 from the interval that the selected plan has beside it', async () => {
    const steps = INPUT.steps.map((step) => ({
      ...step,
      ...(step.exact && { pairedLow: step.metric - 0.01, pairedHigh: step.metric + 0.03 }),
    }));
    await withView(paretoChart({ ...INPUT, steps }), async (view) => {
      const shown = rowsWith(view, 'selected', 'step').find((row) => row.selected)!;
      const rows = paretoRows({ ...INPUT, steps }, taskView('sst2'));
      const fp32 = rows.find(({ series }) => series === 'fp32')!;
      const texts = await pinnedTexts(view, fp32);
      const points = (end: number): string =>
        `${end < 0 ? '−' : '+'}${Math.abs(100 * end).toFixed(1)}`;
      const change = fp32.metric - (shown.metric as number);
      const range = `${points(change - 0.03)} to ${points(change + 0.01)}`;
      assert.ok(texts.some((text) => text.includes(`item by item: ${range}, may be chance)`)));
    });
  });

  it('says of a uniform plan its interval beside fp32, item by item, where it is known', () => {
    const uniform = UNIFORM.map((record) => ({ ...record, pairedLow: 0.7, pairedHigh: 0.79 }));
    const [row] = paretoRows({ ...INPUT, uniform }, taskView('sst2')).filter(
      ({ series }) => series === 'uniform',
    );
    assert.match(row.metricText, /\(95 % beside fp32: 70\.0 % to 79\.0 %\)$/);
  });

  it('draws the nearest plan where none keeps both limits, and says which it is', async () => {
    await withView(paretoChart(INPUT), async (view) => {
      view.signal('maxMemory', 0.5);
      await view.runAsync();
      const smallest = INPUT.steps
        .filter(({ exact }) => exact)
        .reduce((a, b) => (b.bytes < a.bytes ? b : a));
      const nearest = rowsWith(view, 'nearest', 'step').filter((row) => row.nearest);
      assert.deepEqual(
        nearest.map(({ step }) => step),
        [smallest.step],
      );
      const texts = textsOf(await view.toSVG());
      assert.ok(texts.includes('No plan that was measured meets both limits.'));
      assert.ok(texts.some((text) => text.startsWith(`Nearest: step ${smallest.step},`)));
    });
  });

  it('lays further searches beside, each with its own front, and selects from the first alone', async () => {
    const others = [{ name: 'knapsack (2)', steps: INPUT.steps.slice(3) }];
    await assertGoodChart(paretoChart({ ...INPUT, others }));
    const rows = paretoRows({ ...INPUT, others }, taskView('sst2'));
    const theirs = rows.filter(({ series }) => series === 'knapsack (2)');
    assert.equal(theirs.length, INPUT.steps.length - 3);
    assert.ok(theirs.some(({ front }) => front));
    assert.ok(theirs.every(({ selectable, run }) => !selectable && run === 1));
    assert.equal(new Set(rows.map(({ step }) => step)).size >= INPUT.steps.length * 2 - 3, true);
    // The same plans beside themselves: as many of either are faint, the step that breaks a limit and its twin.
    const twins = [{ name: 'twin', steps: INPUT.steps }];
    await withView(paretoChart({ ...INPUT, others: twins }), async (view) => {
      const marks = [
        ...(await view.toSVG()).matchAll(/aria-label="([^"]*)"[^>]*fill-opacity="0.4"/g),
      ];
      const faint = marks.map(([, label]) => label);
      const beside = faint.filter((label) => label.includes('twin'));
      assert.ok(beside.length > 0 && faint.length === 2 * beside.length);
    });
    const strangers = [{ name: 'b1', steps: toySearch(WIKITEXT2_BASELINE, CASE_B1) }];
    assert.throws(() => paretoChart({ ...INPUT, others: strangers }), /do not belong together/);
  });
});
