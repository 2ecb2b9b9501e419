import assert from 'node:assert/strict';
import { sensitivityChart } from '../../src/plots/figures/sensitivity.js';
import type { SensitivityRecord } from '../../src/plots/records.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import { SENSITIVITY, SST2_BASELINE, WIKITEXT2_BASELINE } from './records.js';
import { assertGoodChart, rowsWith, textsOf, withView } from './support.js';

const BASELINES = [SST2_BASELINE, WIKITEXT2_BASELINE];

/** SpikeGPT-216M has 18 attention blocks: too narrow for numbers, still labelled. */
function wide(): SensitivityRecord[] {
  return [
    'input',
    ...Array.from({ length: 18 }, (_, index) => `attention.${index}`),
    'output',
  ].flatMap((unit) => [16, 8, 4].map((bits) => ({ ...SENSITIVITY[0], unit, bits, metric: 0.7 })));
}

describe('plots/sensitivity', () => {
  it('is valid and draws without a warning: both tasks, one, many blocks, modules, one bit width', async () => {
    await assertGoodChart(sensitivityChart(SENSITIVITY, BASELINES));
    await assertGoodChart(sensitivityChart(wide(), BASELINES));
    const modules = wide().map((record) => ({ ...record, unit: `${record.unit}/SRWKV` }));
    await assertGoodChart(sensitivityChart(modules, BASELINES));
    const one = SENSITIVITY.filter(({ bits, task }) => bits === 8 && task === 'sst2');
    await assertGoodChart(sensitivityChart(one, BASELINES));
  });

  it('shows loss as worse-is-positive for either metric', async () => {
    await withView(sensitivityChart(SENSITIVITY, BASELINES), (view) => {
      for (const row of rowsWith(view, 'loss', 'unit')) {
        const { task, unit, bits, loss } = row;
        const record = SENSITIVITY.find(
          (each) => each.task === task && each.unit === unit && each.bits === bits,
        )!;
        const expected = task === 'sst2' ? 0.777 - record.metric : record.metric - 36.32;
        assert.ok(Math.abs(Number(loss) - expected) < 1e-12);
      }
    });
  });

  it('writes the loss into the cells where there is room', async () => {
    const texts = textsOf(await renderSvg(sensitivityChart(SENSITIVITY, BASELINES)));
    assert.equal(texts.filter((text) => text === '18.9').length, 1);
    assert.equal(texts.filter((text) => text === '27.00').length, 1);
    const narrow = textsOf(await renderSvg(sensitivityChart(wide(), BASELINES)));
    assert.equal(narrow.filter((text) => text === '7.7').length, 0);
    for (const label of ['in', '0', '17', 'out']) assert.ok(narrow.includes(label), label);
  });

  it('has one line a bit width, in network order', async () => {
    const svg = await renderSvg(
      sensitivityChart(
        SENSITIVITY.filter(({ task }) => task === 'sst2'),
        BASELINES,
      ),
    );
    const lines = [
      ...svg.matchAll(/<path[^>]* d="(M[^"]*L[^"]*)"[^>]*stroke="#[0-9a-f]{6}" stroke-width="2"/g),
    ];
    assert.equal(lines.length, 6);
    for (const [, path] of lines) {
      const xs = [...path.matchAll(/[ML]([\d.]+),/g)].map((match) => Number(match[1]));
      assert.equal(xs.length, 8);
      assert.deepEqual(
        xs,
        [...xs].sort((a, b) => a - b),
      );
    }
  });

  it('leaves out what broke the model, and says how many', async () => {
    const broken = [...SENSITIVITY.slice(1), { ...SENSITIVITY[0], metric: Infinity }];
    await assertGoodChart(sensitivityChart(broken, BASELINES));
    const texts = textsOf(await renderSvg(sensitivityChart(broken, BASELINES)));
    assert.ok(texts.some((text) => text.endsWith('; 1 that broke the model left out')));
  });

  it('refuses no records, and a missing baseline', () => {
    assert.throws(() => sensitivityChart([], BASELINES), /nothing to draw/);
    assert.throws(() => sensitivityChart(SENSITIVITY, [WIKITEXT2_BASELINE]), /baseline is missing/);
    const broken = [{ ...SENSITIVITY[0], metric: NaN }];
    assert.throws(() => sensitivityChart(broken, BASELINES), /nothing to draw/);
  });
});
