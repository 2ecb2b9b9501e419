import assert from 'node:assert/strict';
import type { EnergyRun } from '../../src/experiment/runs/energy-run.js';
import {
  energyChangeFigure,
  energyFigure,
  energyRecords,
  operationsFigure,
  type EnergySetting,
} from '../../src/figures/energy-figures.js';
import type { FigureSubject } from '../../src/figures/study-figures.js';
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
