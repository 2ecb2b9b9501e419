import assert from 'node:assert/strict';
import type { Estimate } from '../../src/energy/measured/statistics.js';
import type { EnergyRun } from '../../src/experiment/runs/energy/energy-run.js';
import type { MeasuredEnergyRow } from '../../src/experiment/runs/energy/measured-energy.js';
import {
  energyChangeFigure,
  energyFigure,
  energyRecords,
  measuredEnergyFigure,
  measuredRecords,
  operationsFigure,
  ownLandscapePoint,
  type EnergySetting,
} from '../../src/figures/energy-figures.js';
import { landscapeFigure } from '../../src/figures/paper-figures.js';
import type { FigureSubject } from '../../src/figures/study-figures.js';
import { energyChart } from '../../src/plots/figures/energy.js';
import type { Task } from '../../src/tasks/task.js';
import { spikingLayers, uniform } from '../energy/support.js';
import {
  assertNoTextOverlaps,
  assertValid,
  drawnTexts,
  rowsWith,
  withView,
} from '../plots/support.js';
import { modelOf } from '../support/spikegpt.js';
import { TOY } from '../support/toy.js';

const study = {
  task: { name: 'sst2', metric: 'accuracy', title: 'Film reviews (bundled)' } as Task,
  options: { file: { name: 'toy' } },
} as FigureSubject;

const firingRates = new Map(spikingLayers(TOY).map((layer) => [layer, 0.25]));
const RUN: EnergyRun = {
  model: modelOf(TOY),
  sentenceTokens: 20,
  plans: [32, 8].map((bits) => ({ name: `${bits}`, plan: uniform(TOY, bits), firingRates })),
};
const SETTINGS: readonly EnergySetting[] = [
  { name: 'every token', memory: 'DRAM', tokensPerRead: 1 },
  { name: 'shared', memory: 'DRAM', tokensPerRead: 100 },
  { name: 'chip', memory: 'SRAM 8 KB', tokensPerRead: 1, accountings: ['as built'] },
];

describe('figures of energy', () => {
  const records = energyRecords(study, RUN, SETTINGS);

  it('are drawn from a record a setting, plan and accounting, all modelled', () => {
    assert.equal(records.length, 2 * 2 * 3 + 2);
    assert.ok(
      records.every(
        ({ origin, task, model }) => `${origin} ${task} ${model}` === 'modelled sst2 toy',
      ),
    );
    const [first] = records;
    assert.deepEqual(
      [first.plan, first.accounting, first.setting],
      ['32', 'as built', 'every token'],
    );
    // As built, plans differ by what is read alone.
    const [fp32, eight] = records.filter(
      ({ accounting, setting }) => accounting === 'as built' && setting === 'shared',
    );
    const computing = [fp32, eight].map((each) => each.microjoules - each.weightMicrojoules!);
    assert.ok(Math.abs(computing[0] - computing[1]) < 1e-12);
    assert.ok(eight.weightMicrojoules! < fp32.weightMicrojoules! / 2);
    assert.ok(first.low! < first.microjoules && first.microjoules < first.high!);
    // One published value, no range.
    assert.ok(
      records.filter(({ setting }) => setting === 'chip').every(({ low }) => low === undefined),
    );
  });

  it('draw identical plans once, with their names, and never the baseline with others', async () => {
    const [fp32, eight] = RUN.plans;
    const twins = ['a1', 'a2', 'a3'].map((name) => ({ ...eight, name }));
    const run = { ...RUN, plans: [fp32, twins[0], { ...fp32, name: 'none' }, twins[1], twins[2]] };
    for (const [figure, plans] of [
      [energyFigure, ['32', 'a1, a2, a3', 'none']],
      [energyChangeFigure, ['a1, a2, a3', 'none']],
    ] as const) {
      const spec = figure(study, run, SETTINGS.slice(0, 2));
      assertValid(spec);
      const { values } = spec.data as unknown as { values: { plan: string }[] };
      assert.deepEqual([...new Set(values.map(({ plan }) => plan))], plans);
      await withView(spec, (view) => {
        assertNoTextOverlaps(view);
        assert.ok(drawnTexts(view).some(({ text }) => text === 'a1, a2, a3'));
      });
    }
    // As records each has its own: a table asks for them by name.
    assert.ok(energyRecords(study, run, SETTINGS).some(({ plan }) => plan === 'a3'));
  });

  it('show energies and their change', () => {
    for (const spec of [
      energyFigure(study, RUN, SETTINGS),
      energyChangeFigure(study, RUN, SETTINGS),
    ]) {
      assertValid(spec);
      assert.match(JSON.stringify(spec), /Film reviews \(bundled\) \(modelled\)/);
    }
  });

  it('show the operations of all blocks together', async () => {
    const spec = operationsFigure({ name: 'toy', ...modelOf(TOY) }, 20);
    assertValid(spec);
    await withView(spec, (view) => {
      const rows = rowsWith(view, 'part', 'operations') as { part: string; operations: number }[];
      const of = (part: string): number => rows.find((row) => row.part === part)!.operations;
      assert.equal(of('SRWKV key'), 2 * 3 * 16 ** 2);
      assert.equal(of('SRFFN value'), 2 * 3 * 16 * 64);
      assert.equal(of('classifier'), (2 * 2 * 16) / 20);
      assert.equal(of('pooling'), 16 + 16 / 20);
    });
  });
});

describe('figures of measured energy', () => {
  const rowOf = (plan: string, value: number, change?: number): MeasuredEnergyRow => {
    const estimate = (mean: number, half: number): Estimate => ({
      ...{ value: mean, low: mean - half, high: mean + half, repeats: 10 },
    });
    return {
      ...{ origin: 'measured', meter: 'RAPL package', covers: 'all', resolution: 'fine', plan },
      joulesPerToken: estimate(value, value / 50),
      watts: estimate(20, 1),
      tokensPerSecond: estimate(100, 1),
      energyChange: change === undefined ? undefined : estimate(change, 0.01),
      powerChange: undefined,
      verdict: change === undefined ? 'baseline' : 'lower',
      ...{ execution: 'simulated', backend: 'wasm', machine: 'M', task: 'sst2', model: 'toy' },
      bytes: 1e6,
    };
  };
  const rows = [rowOf('32', 1e-3), rowOf('8', 0.98e-3, -0.02)];
  const paper = [{ task: 'sst2' as const, least: 0.026, most: 0.2, source: 'arXiv' }];
  const modelled = energyRecords(study, RUN, SETTINGS.slice(0, 1));

  it('have measured, modelled and the paper’s numbers each in panels of their own, with the words', async () => {
    const spec = measuredEnergyFigure(study, rows, modelled, { paper });
    assertValid(spec);
    let texts: string[] = [];
    await withView(spec, (view) => {
      assertNoTextOverlaps(view);
      texts = drawnTexts(view).map(({ text }) => text);
    });
    for (const word of ['(modelled)', '(measured)', '(the paper)'])
      assert.equal(texts.filter((text) => text.endsWith(word)).length, 1, word);
    // No panel of bars holds the paper's range, and no text of a modelled number lacks its panel's word.
    const rowsOf = spec.vconcat as readonly { readonly hconcat?: readonly object[] }[];
    assert.equal(rowsOf.length, 3);
    for (const { hconcat } of rowsOf.slice(0, 2))
      assert.ok(!JSON.stringify(hconcat).includes('Power in the paper'));
    assert.ok(JSON.stringify(rowsOf[2]).includes('Power in the paper'));
  });

  it('draw the paired change with its own interval, not a quotient of means', () => {
    const [, eight] = measuredRecords(study, rows);
    assert.deepEqual(eight.change, { value: -0.02, low: -0.03, high: -0.01 });
    assert.equal(measuredRecords(study, [rowOf('32', -1e-9)]).length, 0, 'lost in noise');
  });

  it('draw nothing of a meter that lost the unquantized model in noise, and no change that was not paired', () => {
    const lost = [rowOf('32', -1e-9), rows[1], rowOf('4', 0.9e-3, -0.1)];
    assert.deepEqual(measuredRecords(study, lost), []);
    const unpaired = { ...rows[1], energyChange: undefined, verdict: 'not measured' as const };
    assert.deepEqual(
      measuredRecords(study, [rows[0], unpaired]).map(({ plan }) => plan),
      ['32'],
    );
    assert.equal(ownLandscapePoint('toy', 1000, 0.7, lost[0]).energy, undefined);
  });

  it('say at a bar whose interval has 0 in it that it is within noise', () => {
    const near = measuredEnergyFigure(study, [rows[0], rowOf('8', 0.99e-3, -0.005)], []);
    assert.match(JSON.stringify(near), /"text":"−0\.5 %, within noise"/);
    const far = JSON.stringify(measuredEnergyFigure(study, rows, []));
    assert.match(far, /"text":"−2\.0 %"/);
    assert.doesNotMatch(far, /within noise/);
    // The other figure has the paired change too, not the quotient of means, which is −4 % here.
    const bars = energyChart(measuredRecords(study, [rows[0], rowOf('8', 0.96e-3, -0.005)]));
    assert.match(JSON.stringify(bars), /"changeText":"−0\.5 %, within noise"/);
  });

  it('leave the figure of modelled energy alone as it was', () => {
    const spec = JSON.stringify(measuredEnergyFigure(study, [], modelled, { paper }));
    const before = JSON.stringify(energyChangeFigure(study, RUN, SETTINGS.slice(0, 1), { paper }));
    assert.equal(spec, before);
  });

  it('give Fig. 1 a point of ours whose energy says where it is from', () => {
    const point = ownLandscapePoint('toy, 8 bits', 1000, 0.7, rows[1]);
    assert.equal(point.energyOrigin, 'measured');
    const chart = JSON.stringify(landscapeFigure([point]));
    assert.match(chart, /980 µJ a token \(measured\)/);
    const other = { ...point, energyOrigin: 'modelled' as const };
    assert.match(JSON.stringify(landscapeFigure([other])), /\(modelled\)/);
    // Sentences that are not those of the published models are said, and starred.
    const starred = landscapeFigure([ownLandscapePoint('toy', 1000, 0.7, rows[1], 'Film reviews')]);
    assert.match(JSON.stringify(starred), /"label":"toy \*"/);
    assert.match(JSON.stringify(starred), /\* judged on Film reviews: other sentences/);
  });
});
