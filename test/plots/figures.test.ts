import assert from 'node:assert/strict';
import { loadLandscape, loadPaperResults } from '../../src/notebook/paper-data.js';
import { bitsColor, bitsScale } from '../../src/plots/theme.js';
import { energyChart } from '../../src/plots/energy.js';
import { flipsChart } from '../../src/plots/flips.js';
import { renderSvg } from '../../src/plots/headless.js';
import { landscapeChart } from '../../src/plots/landscape.js';
import { savingsChart } from '../../src/plots/savings.js';
import {
  ENERGY,
  LANDSCAPE,
  SAVINGS,
  SENSITIVITY,
  SST2_BASELINE,
  WIKITEXT2_BASELINE,
} from './records.js';
import { assertGoodChart, rowsWith, textsOf, withView } from './support.js';

const BASELINES = [SST2_BASELINE, WIKITEXT2_BASELINE];

describe('plots/landscape', () => {
  it('draws each model with its name, and the source in the tooltip', async () => {
    await assertGoodChart(landscapeChart(LANDSCAPE));
    const svg = await renderSvg(landscapeChart(LANDSCAPE));
    for (const { name, source } of LANDSCAPE) {
      assert.ok(textsOf(svg).includes(name));
      assert.ok(svg.includes(`Source: ${source}`));
    }
    assert.ok(svg.includes('Energy: no source'));
  });

  it('draws the published models that the package carries', async () => {
    const models = await loadLandscape();
    await assertGoodChart(landscapeChart(models));
    assert.ok(models.every(({ source, kind }) => source.length > 0 && kind === 'published'));
    const [fp32, a1] = models;
    assert.ok(Math.abs(a1.bytes / fp32.bytes - (1 - 0.857)) < 1e-3);
  });
});

describe('plots/energy', () => {
  const measured = ENERGY.filter((record) => record.accounting === 'as built').map((record) => ({
    ...record,
    origin: 'measured' as const,
    accounting: 'RAPL',
    low: record.microjoules - 1,
    high: record.microjoules + 1,
  }));

  it('never calls modelled energy measured', async () => {
    await assertGoodChart(energyChart(ENERGY));
    const texts = textsOf(await renderSvg(energyChart(ENERGY)));
    assert.ok(texts.includes('Modelled energy a token'));
    assert.ok(texts.includes('SST-2 (modelled)'));
    assert.ok(!texts.some((text) => text.toLowerCase().includes('measured')));
  });

  it('draws both in panels of their own, each with its spread', async () => {
    await assertGoodChart(energyChart([...ENERGY, ...measured]));
    const texts = textsOf(await renderSvg(energyChart([...ENERGY, ...measured])));
    for (const text of [
      'Modelled and measured energy a token',
      'SST-2 (modelled)',
      'SST-2 (measured)',
    ])
      assert.ok(texts.includes(text), text);
  });

  it('labels bars with the change from the first plan of the same task and accounting', async () => {
    const records = [10, 8, 10.5].map((microjoules, index) => ({
      ...ENERGY[0],
      plan: `p${index}`,
      microjoules,
    }));
    const other = [2, 1].map((microjoules, index) => ({
      ...ENERGY[0],
      plan: `p${index}`,
      accounting: 'idealized',
      microjoules,
    }));
    const both = textsOf(await renderSvg(energyChart([...records, ...other])));
    assert.ok(both.includes('−50.0 %'));
    const texts = textsOf(await renderSvg(energyChart(records)));
    assert.ok(texts.includes('−20.0 %'));
    assert.ok(texts.includes('5.0 %'));
  });

  it('refuses negative energy and no records', () => {
    assert.throws(() => energyChart([{ ...ENERGY[0], microjoules: -1 }]), /negative energy/);
    assert.throws(() => energyChart([]), /nothing to draw/);
  });
});

describe('plots/flips', () => {
  it('draws one point a block and bit width that flips spikes', async () => {
    await assertGoodChart(flipsChart(SENSITIVITY, BASELINES));
    const silent = SENSITIVITY.map((record, index) =>
      index === 0 ? { ...record, flipRate: 0 } : record,
    );
    await withView(flipsChart(silent, BASELINES), async (view) => {
      const points = (await view.toSVG()).split('aria-roledescription="point"').length - 1;
      assert.equal(points, SENSITIVITY.length - 1);
    });
    const texts = textsOf(await renderSvg(flipsChart(silent, BASELINES)));
    assert.ok(texts.some((text) => text.endsWith('left out: 1 without flips or a metric')));
  });

  it('refuses records without a flip rate or a baseline', () => {
    const none = SENSITIVITY.map(({ task, model, unit, bits, metric }) => ({
      task,
      model,
      unit,
      bits,
      metric,
    }));
    assert.throws(() => flipsChart(none, BASELINES), /nothing to draw/);
    assert.throws(
      () => flipsChart(SENSITIVITY, [SST2_BASELINE]),
      /wikitext2: the baseline is missing/,
    );
  });
});

describe('plots/savings', () => {
  it('divides each run into shares that add up to one', async () => {
    await assertGoodChart(savingsChart(SAVINGS));
    await withView(savingsChart(SAVINGS), (view) => {
      const rows = rowsWith(view, 'share', 'run') as { run: string; share: number; part: string }[];
      for (const run of new Set(SAVINGS.map((record) => record.run))) {
        const own = rows.filter((row) => row.run === run);
        assert.equal(own.length, 6);
        assert.ok(Math.abs(own.reduce((sum, row) => sum + row.share, 0) - 1) < 1e-12);
      }
      const computed = rows.find((row) => row.part === 'computed')!;
      assert.ok(Math.abs(computed.share - 3100 / 8540) < 1e-12);
    });
  });
});

describe('plots/theme', () => {
  it('gives a bit width the same colour in every figure, and black to fp32', () => {
    assert.equal(bitsColor(16), '#0d0887');
    assert.equal(bitsColor(1), '#fca636');
    assert.equal(bitsColor(32), '#222222');
    assert.deepEqual(bitsScale([4, 16, 4]).range, [bitsColor(16), bitsColor(4)]);
    const all = Array.from({ length: 16 }, (_, index) => bitsColor(index + 1));
    assert.equal(new Set(all).size, 16);
    assert.ok(all.every((color) => /^#[0-9a-f]{6}$/.test(color)));
  });
});

describe('data/paper', () => {
  it('holds the six cases as the paper states them', async () => {
    const results = await loadPaperResults();
    const saved = results.map(({ name, metric, saving }) => [name, metric, saving]);
    assert.deepEqual(saved, [
      ['a1', 0.844, 0.857],
      ['a2', 0.813, 0.865],
      ['a3', 0.813, 0.865],
      ['b1', 24.6, 0.687],
      ['b2', 23.2, 0.624],
      ['b3', 24.4, 0.687],
    ]);
    assert.deepEqual(new Set(results.map(({ baseline }) => baseline)), new Set([0.857, 26.5]));
  });
});
