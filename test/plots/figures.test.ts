import assert from 'node:assert/strict';
import { loadLandscape, loadPaperPower, loadPaperResults } from '../../src/figures/paper-data.js';
import { energyChangeChart } from '../../src/plots/figures/energy-change.js';
import { energyChart } from '../../src/plots/figures/energy.js';
import { flipsChart } from '../../src/plots/figures/flips.js';
import { landscapeChart } from '../../src/plots/figures/landscape.js';
import { operationsChart } from '../../src/plots/figures/operations.js';
import { savingsChart } from '../../src/plots/figures/savings.js';
import { bitsColor, bitsScale } from '../../src/plots/parts/theme.js';
import { predictorsChart } from '../../src/plots/predictors/chart.js';
import type { EnergyRecord, OperationRecord, PredictorRecord } from '../../src/plots/records.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import {
  ENERGY,
  LANDSCAPE,
  SAVINGS,
  SENSITIVITY,
  SST2_BASELINE,
  WIKITEXT2_BASELINE,
} from './records.js';
import {
  assertGoodChart,
  assertNoTextOverlaps,
  drawnTexts,
  rowsWith,
  textsOf,
  withView,
} from './support.js';

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

  it('says in the title from where to where the models reach', () => {
    const titleOf = (records: typeof LANDSCAPE): string =>
      (landscapeChart(records).title as { text: string }).text;
    const text = 'Spiking language models on SST-2: accuracy 77.1 to 85.7 %, memory 15 to 862 MB';
    assert.equal(titleOf(LANDSCAPE), text);
    assert.match(titleOf(LANDSCAPE.slice(0, 1)), /: accuracy 85\.7 %, memory 862 MB$/);
  });

  it('keeps the names of models apart, and stars those judged on other sentences', async () => {
    const [published] = LANDSCAPE;
    const close = [0.756, 0.752, 0.744].map((accuracy, index) => ({
      ...published,
      ...{ name: `plan ${index} of a model`, accuracy, bytes: 2e6 + 1e5 * index, data: 'Reviews' },
    }));
    const spec = landscapeChart([...LANDSCAPE, ...close]);
    await assertGoodChart(spec);
    await withView(spec, (view) => {
      assertNoTextOverlaps(view);
      const texts = drawnTexts(view).map(({ text }) => text);
      for (const { name } of close) assert.ok(texts.includes(`${name} *`), name);
    });
    // The span is of the sentences that all others are judged on.
    assert.match(JSON.stringify(spec.title), /accuracy 77\.1 to 85\.7 %/);
    assert.match(JSON.stringify(spec.title), /\* judged on Reviews: other sentences/);
  });

  it('draws the models that the package carries, each with its source', async () => {
    const models = await loadLandscape();
    await assertGoodChart(landscapeChart(models));
    assert.ok(models.every(({ source }) => source.length > 0));
    const [fp32, a1] = models.filter(({ kind }) => kind === 'published');
    assert.ok(Math.abs(a1.bytes / fp32.bytes - (1 - 0.857)) < 1e-3);
  });
});

describe('plots/energy', () => {
  const measured = ENERGY.filter((record) => record.accounting === 'as built').map((record) => ({
    ...record,
    origin: 'measured' as const,
    accounting: 'RAPL',
    setting: 'this machine',
    weightMicrojoules: 0,
    low: record.microjoules - 1,
    high: record.microjoules + 1,
  }));

  it('never calls modelled energy measured', async () => {
    await assertGoodChart(energyChart(ENERGY));
    const texts = textsOf(await renderSvg(energyChart(ENERGY)));
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
    assert.ok(texts.includes('+5.0 %'));
  });

  it('splits a bar into computing and reading weights, and draws each setting apart', async () => {
    const other = ENERGY.map((record) => ({
      ...record,
      setting: 'SRAM',
      weightMicrojoules: 0,
      microjoules: record.microjoules - record.weightMicrojoules!,
    }));
    const spec = energyChart([...ENERGY, ...other]);
    await assertGoodChart(spec);
    const { values: rows } = spec.data as unknown as {
      values: { part: string; value: number; setting: string }[];
    };
    const all = (setting: string, part: string): number =>
      rows
        .filter((row) => row.setting === setting && row.part === part)
        .reduce((sum, { value }) => sum + value, 0);
    const weights = ENERGY.reduce((sum, record) => sum + record.weightMicrojoules!, 0);
    const total = ENERGY.reduce((sum, { microjoules }) => sum + microjoules, 0);
    assert.ok(Math.abs(all(ENERGY[0].setting, 'reading weights') - weights) < 1e-9);
    assert.ok(Math.abs(all(ENERGY[0].setting, 'computing') - (total - weights)) < 1e-9);
    assert.ok(Math.abs(all('SRAM', 'computing') - (total - weights)) < 1e-9);
    assert.equal(all('SRAM', 'reading weights'), 0);
    const texts = textsOf(await renderSvg(spec));
    for (const text of ['SRAM', ENERGY[0].setting, 'reading weights'])
      assert.ok(texts.includes(text), text);
  });

  it('say “modelled” once a panel, and nowhere else in the picture', async () => {
    const other = ENERGY.map((record) => ({ ...record, setting: 'SRAM' }));
    const paper = await loadPaperPower();
    for (const records of [ENERGY, [...ENERGY, ...other]]) {
      const panels = new Set(records.map(({ task, setting }) => task + setting)).size;
      for (const spec of [energyChart(records), energyChangeChart(records, { paper })]) {
        const said = textsOf(await renderSvg(spec)).filter((text) => /modelled/i.test(text));
        assert.equal(said.length, panels);
        assert.match(spec.description, /^Modelled/);
      }
    }
  });

  it('say in the title how far energy falls in each setting, if it does with all constants', () => {
    const titleOf = (records: readonly EnergyRecord[]): string =>
      [(energyChart(records).title as { text: string | string[] }).text].flat().join(' ');
    const own = ENERGY.filter(({ task }) => task === 'sst2');
    const setting = 'DRAM, all weights for every token';
    assert.equal(
      titleOf(own),
      `By count, as built, a token’s energy falls by up to 21.0 % (${setting})`,
    );
    const shared = own.map((each, index) => ({
      ...each,
      setting: 'shared',
      ...{ low: 5, high: index < 2 ? 20 : 21 },
    }));
    assert.match(titleOf([...own, ...shared]), /or nothing sure \(shared\)$/);
    assert.equal(titleOf(measured), 'Measured energy a token');
  });

  it('refuses negative energy and no records', () => {
    assert.throws(() => energyChart([{ ...ENERGY[0], microjoules: -1 }]), /negative energy/);
    assert.throws(() => energyChart([]), /nothing to draw/);
  });
});

describe('plots/energy-change', () => {
  const record = { ...ENERGY[0], microjoules: 10, low: 6, high: 14 };
  const quantized = { ...record, plan: 'a1', microjoules: 8, low: 5.4, high: 10.5 };

  it('draws the change of each plan from the first, with the ends of the constants', async () => {
    const spec = energyChangeChart([record, quantized]);
    await assertGoodChart(spec);
    await withView(spec, (view) => {
      const rows = rowsWith(view, 'change', 'left', 'right') as Record<string, number>[];
      assert.equal(rows.length, 1);
      const [{ change, left, right }] = rows;
      for (const [actual, expected] of [
        [change, -0.2],
        [left, -0.25],
        [right, -0.1],
      ])
        assert.ok(Math.abs(actual - expected) < 1e-12);
    });
    assert.ok(textsOf(await renderSvg(spec)).includes('−20.0 %'));
  });

  it("lays the paper's range for the task beside, and says where it is from", async () => {
    const paper = await loadPaperPower();
    assert.deepEqual(
      paper.map(({ task, least, most }) => [task, least, most]),
      [
        ['sst2', 0.026, 0.2],
        ['wikitext2', 0.032, 0.116],
      ],
    );
    assert.ok(paper.every(({ source }) => source.includes('2601.00679')));
    const spec = energyChangeChart(ENERGY, { paper });
    await assertGoodChart(spec);
    const svg = await renderSvg(spec);
    assert.ok(svg.includes('Power in the paper: −20.0 % to −2.6 %'));
    assert.ok(svg.includes('Power in the paper: −11.6 % to −3.2 %'));
    // Bars reach across the range: it is drawn over them, with its ends.
    const [range, lastBar] = ['Power in the paper: −20', 'Plan: a3; Counted: idealized'].map(
      (text) => svg.indexOf(text),
    );
    assert.ok(lastBar > 0 && range > lastBar);
    const without = await renderSvg(energyChangeChart(ENERGY));
    assert.doesNotMatch(without, /paper/);
  });

  it('says that modelled energy is modelled, and refuses what cannot be compared', async () => {
    const texts = textsOf(await renderSvg(energyChangeChart([record, quantized])));
    assert.ok(texts.includes('SST-2 (modelled)'));
    assert.ok(!texts.some((text) => text.toLowerCase().includes('measured')));
    assert.throws(() => energyChangeChart([record]), /nothing to draw/);
    assert.throws(() => energyChangeChart([{ ...record, microjoules: 0 }, quantized]), /no energy/);
    assert.throws(() => energyChangeChart([record, { ...record, microjoules: -1 }]), /negative/);
  });
});

describe('plots/operations', () => {
  const records: OperationRecord[] = [
    { model: 'toy', part: 'SRWKV key', kind: 'product after spikes', operations: 600 },
    { model: 'toy', part: 'SRWKV output', kind: 'product of real values', operations: 300 },
    { model: 'toy', part: 'WKV', kind: 'elementwise', operations: 100 },
  ];

  it('draws each part with its share, in the order of the network', async () => {
    const spec = operationsChart(records);
    await assertGoodChart(spec);
    const texts = textsOf(await renderSvg(spec));
    for (const text of ['60.0 %', '30.0 %', '10.0 %', 'SRWKV output', 'elementwise'])
      assert.ok(texts.includes(text), text);
  });

  it('refuses no records', () => {
    assert.throws(() => operationsChart([]), /nothing to draw/);
  });
});

describe('plots/predictors', () => {
  const { task, model, metric } = SST2_BASELINE;
  const RECORDS: readonly PredictorRecord[] = [
    { ...{ task, model, predictor: 'measured loss', rank: 1, cost: 99 }, metric, bytes: 2_900_000 },
    {
      ...{
        task,
        model,
        predictor: 'KL divergence',
        rank: -0.25,
        cost: 19.8,
        metric: metric - 0.02,
      },
      ...{ pairedLow: metric - 0.04, pairedHigh: metric, bytes: 2_850_000 },
    },
    { ...{ task, model, predictor: 'SQNR', cost: 0, metric: NaN, bytes: 2_800_000 } },
  ];

  it('draws a line a predictor; what has no number is listed and not drawn', async () => {
    const figure = predictorsChart(RECORDS, SST2_BASELINE, 'a module at a time');
    await assertGoodChart(figure);
    const texts = textsOf(await renderSvg(figure));
    for (const text of ['measured loss', 'KL divergence', 'SQNR', '1.00', '−0.25', '99', '19.8'])
      assert.ok(texts.includes(text), text);
    await withView(figure, async (view) => {
      const points = (await view.toSVG()).split('aria-roledescription="point"').length - 1;
      assert.equal(points, 2);
    });
    assert.throws(() => predictorsChart([], SST2_BASELINE, ''), /nothing to draw/);
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

  it('has ticks that differ, and a legend of the blocks that have a mark', async () => {
    // Losses as small as those of a real sweep: half a point has a tick of its own.
    const losses = [-0.002, 0, 0.004, 0.006, 0.034, 0.17];
    const records = losses.map((loss, index) => ({
      ...SENSITIVITY[0],
      unit: index < 4 ? `attention.${index}` : 'input',
      bits: [8, 6, 4][index % 3],
      metric: SST2_BASELINE.metric - loss,
      flipRate: 0.002 * 2 ** index,
    }));
    await withView(flipsChart(records, BASELINES), (view) => {
      assertNoTextOverlaps(view);
      const ticks = drawnTexts(view).filter(({ text }) => /^[−\d.]+%$/.test(text));
      const left = ticks.filter(({ right }) => right < 80).map(({ text }) => text);
      assert.ok(left.includes('0.5%') && left.length >= 6, left.join(' '));
      assert.equal(new Set(left).size, left.length);
      const texts = drawnTexts(view).map(({ text }) => text);
      assert.ok(texts.includes('input') && texts.includes('attention'));
      assert.ok(!texts.includes('output'));
    });
  });

  it('says in the title what loses beyond noise, and how many flips cost nothing', () => {
    const paired = SENSITIVITY.filter(({ task }) => task === 'sst2').map((record) => ({
      ...record,
      pairedLow: record.metric - 0.012,
      pairedHigh: record.metric + 0.012,
    }));
    const titleOf = (records: typeof paired): string =>
      [(flipsChart(records, BASELINES).title as { text: string | string[] }).text].flat().join(' ');
    assert.equal(
      titleOf(paired),
      'Loss beyond noise: input, 1.3 % to 10 % of spikes flipped; no such loss with up to 2 %',
    );
    const blocks = paired.filter(({ unit }) => unit !== 'input');
    assert.equal(titleOf(blocks), 'No loss beyond noise, with up to 2 % of the spikes flipped');
    assert.deepEqual(
      (flipsChart(SENSITIVITY, BASELINES).title as { text: string }).text,
      'Spikes flipped against quality lost',
    );
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
    // A module of which a part is left alone.
    assert.equal(bitsColor(16.4), bitsColor(16));
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
