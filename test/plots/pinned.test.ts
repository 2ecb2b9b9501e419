import assert from 'node:assert/strict';
import { paretoRows, measuredText } from '../../src/plots/figures/pareto-rows.js';
import { paretoChart, type ParetoInput } from '../../src/plots/figures/pareto.js';
import { traceChart } from '../../src/plots/figures/trace.js';
import { barWithin } from '../../src/plots/parts/interval-bars.js';
import { taskView } from '../../src/plots/parts/task-view.js';
import { CASE_A1, CASE_B1, SST2_BASELINE, toySearch, WIKITEXT2_BASELINE } from './records.js';
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

  it('shows the plan that was clicked on beside the one selected, with its difference', async () => {
    await withView(paretoChart(INPUT), async (view) => {
      const before = textsOf(await view.toSVG());
      assert.ok(!before.some((text) => text.startsWith('Pinned')));
      const other = INPUT.steps.find(({ exact, stage }) => exact && stage === 'block')!;
      const row = paretoRows(INPUT, taskView('sst2')).find(({ step }) => step === other.step)!;
      // As a click fills the selection's store.
      type Store = { data(name: string, rows: readonly object[]): unknown };
      const fields = ['step', 'plan'].map((field) => ({ field, channel: undefined, type: 'E' }));
      const tuple = { unit: '', fields, values: [row.step, row.plan] };
      (view as unknown as Store).data('pinned_store', [tuple]);
      await view.runAsync();
      const texts = textsOf(await view.toSVG());
      assert.ok(texts.includes(`Pinned: ${row.plan}`));
      assert.ok(texts.some((text) => / MB (more|less) than the plan selected$/.test(text)));
    });
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
    const strangers = [{ name: 'b1', steps: toySearch(WIKITEXT2_BASELINE, CASE_B1) }];
    assert.throws(() => paretoChart({ ...INPUT, others: strangers }), /do not belong together/);
  });
});
