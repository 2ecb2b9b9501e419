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
    assert.ok(
      texts.some((text) => text.endsWith('; 1 that broke the model: no point, cell “broken”')),
    );
    assert.ok(texts.includes('broken'));
    // The end of the scale says that it is no measurement's.
    assert.ok(texts.includes('≥ 18.9 %'));
    assert.ok(texts.includes('Colours end at 18.9 %: what loses more has the last one'));
  });

  it('says where the colours end, and that they do where losses go on', async () => {
    const whole = textsOf(await renderSvg(sensitivityChart(SENSITIVITY, BASELINES)));
    for (const end of ['18.9 %', '−18.9 %', '30.00', '−30.00']) assert.ok(whole.includes(end), end);
    assert.ok(!whole.some((text) => text.startsWith('≥') || text.startsWith('Colours end')));
    // A perplexity of a million next to losses of 1: they would all be grey.
    const far = SENSITIVITY.map((record) =>
      record.task === 'wikitext2' && record.unit === 'output' && record.bits === 3
        ? { ...record, metric: 1e6 }
        : record,
    );
    await assertGoodChart(sensitivityChart(far, BASELINES));
    const texts = textsOf(await renderSvg(sensitivityChart(far, BASELINES)));
    assert.ok(texts.includes('≥ 363'));
    assert.ok(texts.includes('Colours end at 363: what loses more has the last one'));
    assert.ok(texts.includes('18.9 %'), 'accuracy ends where it ended');
  });

  it('says in the title who loses more than noise, and by how much', () => {
    const titleOf = (records: readonly SensitivityRecord[]): string =>
      [(sensitivityChart(records, BASELINES).title as { text: string | string[] }).text]
        .flat()
        .join(' ');
    const paired = (half: number): SensitivityRecord[] =>
      SENSITIVITY.filter(({ task }) => task === 'sst2').map((record) => ({
        ...record,
        pairedLow: record.metric - half,
        pairedHigh: record.metric + half,
      }));
    assert.equal(
      titleOf(paired(0.012)),
      'Loss beyond noise: input, up to 18.9 points lost (input at 3 bits)',
    );
    assert.equal(titleOf(paired(0.5)), 'No loss beyond noise where one is quantized alone');
    // An interval of its own answers another question.
    assert.equal(titleOf(SENSITIVITY), 'Sensitivity: one block quantized, the rest left at fp32');
    const both = [...paired(0.012), ...SENSITIVITY.filter(({ task }) => task === 'wikitext2')];
    assert.match(titleOf(both), /^SST-2: Loss beyond noise: input,/);
  });

  it('refuses no records, and a missing baseline', () => {
    assert.throws(() => sensitivityChart([], BASELINES), /nothing to draw/);
    assert.throws(() => sensitivityChart(SENSITIVITY, [WIKITEXT2_BASELINE]), /baseline is missing/);
    const broken = [{ ...SENSITIVITY[0], metric: NaN }];
    assert.throws(() => sensitivityChart(broken, BASELINES), /nothing to draw/);
  });
});
