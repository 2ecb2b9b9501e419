import assert from 'node:assert/strict';
import { MEASURED_COLUMNS } from '../../src/cli/commands/energy/columns.js';
import { selectionColumns } from '../../src/cli/format/run-tables.js';
import { MODELLED_COLUMN, energyFacts, scoreText } from '../../src/cli/format/selection-text.js';
import { energyChangeChart } from '../../src/plots/figures/energy-change.js';
import { energyChart } from '../../src/plots/figures/energy.js';
import { landscapeChart } from '../../src/plots/figures/landscape.js';
import { paretoChart } from '../../src/plots/figures/pareto.js';
import { lambdaChart } from '../../src/plots/lambda/chart.js';
import type { ChartSpec } from '../../src/plots/parts/spec.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import { ENERGY_INPUTS, energyCandidates } from '../plots/energy/input.js';
import { ENERGY, LANDSCAPE } from '../plots/records.js';
import { textsOf } from '../plots/support.js';

const { accuracy, perplexity } = ENERGY_INPUTS;
const measured = ENERGY.map((record) => ({
  ...record,
  origin: 'measured' as const,
  setting: 'met',
}));
const lambdaOf = (input: typeof accuracy): ChartSpec =>
  lambdaChart({
    baseline: input.baseline,
    searches: [
      {
        ...{ name: 'own', limits: input.limits, energy: input.energy! },
        candidates: energyCandidates(input).map(({ step, metric, bytes, energy }) => ({
          ...{ step, metric, bytes, plan: `step ${step}`, energy: energy! },
        })),
      },
    ],
  });

/** Every figure that can show an energy, with modelled ones in it. */
const CHARTS: Readonly<Record<string, () => ChartSpec>> = {
  energy: () => energyChart(ENERGY),
  'energy change': () => energyChangeChart(ENERGY),
  'measured beside modelled': () => energyChangeChart([...measured, ...ENERGY]),
  'pareto, accuracy': () => paretoChart(accuracy),
  'pareto, perplexity': () => paretoChart(perplexity),
  lambda: () => lambdaOf(accuracy),
  landscape: () =>
    landscapeChart([
      ...LANDSCAPE,
      { ...LANDSCAPE[0], name: 'own', energy: 12, energyOrigin: 'modelled' },
    ]),
};

describe('no modelled number without the word', () => {
  for (const [name, draw] of Object.entries(CHARTS))
    it(`${name}: what is drawn says it, and so does whoever points at a number`, async () => {
      const spec = draw();
      const drawn = textsOf(await renderSvg(spec)).join('\n');
      // Fig. 1 shows energies to those who point at a model alone.
      if (name !== 'landscape') assert.match(drawn, /modelled/i, drawn);
      const fields = [...JSON.stringify(spec).matchAll(/"energyText":"([^"]*)"/g)].map((m) => m[1]);
      const origins = JSON.stringify(spec).match(/"origin":"(modelled|measured)"/g) ?? [];
      for (const text of fields.filter((each) => each !== 'no source'))
        assert.ok(/modelled|as published/.test(text) || origins.length > 0, `${name}: ${text}`);
    });

  it('a model of this project in Fig. 1', () => {
    const text = JSON.stringify(CHARTS.landscape());
    assert.match(text, /12\.0 µJ a token \(modelled\)/);
  });

  it('panels of a figure with both hold one of them each', () => {
    const spec = JSON.parse(JSON.stringify(energyChangeChart([...measured, ...ENERGY]))) as object;
    const text = JSON.stringify(spec);
    assert.match(text, /measured/i);
    assert.match(text, /modelled/i);
  });

  it('columns of tables, scores and facts', () => {
    const columns = [...selectionColumns('accuracy', true), ...MEASURED_COLUMNS];
    for (const { title } of columns) if (/µJ|pJ/.test(title)) assert.match(title, /modelled/);
    assert.match(MODELLED_COLUMN, /modelled/);
    assert.ok(MEASURED_COLUMNS.some(({ title }) => title === 'origin'));
    const energy = { weight: 0.5, unquantized: 40 };
    for (const context of [
      { metric: 'accuracy' as const, fp32Bytes: 1000, energy },
      { metric: 'perplexity' as const, fp32Bytes: 1000, energy },
    ]) {
      assert.match(scoreText(context), /modelled energy/);
      assert.match(energyFacts(context)[0][1], /modelled.*not measured/);
    }
    assert.deepEqual(energyFacts({}), []);
  });
});
