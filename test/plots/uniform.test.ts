import assert from 'node:assert/strict';
import { uniformChart } from '../../src/plots/figures/uniform.js';
import type { UniformRecord } from '../../src/plots/records.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import { PlotError } from '../../src/util/errors.js';
import { UNIFORM } from './records.js';
import { assertGoodChart, rowsWith, textsOf, withView } from './support.js';

function baselineOnly(): UniformRecord[] {
  return UNIFORM.filter((record) => record.bits === 32);
}

describe('plots/uniform', () => {
  it('is valid, compiles and draws without a warning for one task and for both', async () => {
    await assertGoodChart(uniformChart(UNIFORM));
    await assertGoodChart(uniformChart(UNIFORM.filter((record) => record.task === 'wikitext2')));
    await assertGoodChart(uniformChart(baselineOnly()));
  });

  it('draws each quantized model once a panel, and the baseline in the memory panel only', async () => {
    await withView(uniformChart(UNIFORM), async (view) => {
      const svg = await view.toSVG();
      // A point's shape is described to screen readers with its values.
      const labels = [...svg.matchAll(/aria-label="([^"]*)"[^>]* aria-roledescription="point"/g)];
      const points = UNIFORM.length;
      const baselines = 2;
      assert.equal(labels.length, 2 * points - baselines);
      const eightBits = labels.filter(([, text]) => text.includes('8') && text.includes('3.69'));
      assert.ok(eightBits.length > 0, 'memory is shown in MB of 10^6 bytes');
    });
  });

  it('draws the interval of the difference to fp32 where items are paired, and says so', async () => {
    const records = UNIFORM.map((record) =>
      record.bits === 32
        ? record
        : { ...record, pairedLow: record.metric - 0.001, pairedHigh: record.metric + 0.002 },
    );
    await assertGoodChart(uniformChart(records));
    await withView(uniformChart(records), async (view) => {
      for (const { bits, metric, low, high } of rowsWith(view, 'bits', 'low', 'high') as {
        [field: string]: number;
      }[]) {
        if (bits === 32) continue;
        assert.ok(
          Math.abs(low - metric + 0.001) < 1e-12 && Math.abs(high - metric - 0.002) < 1e-12,
        );
      }
      const texts = textsOf(await view.toSVG()).join(' ');
      assert.match(
        texts,
        /Bars: 95 % interval of the difference to fp32, item by item; grey band: of fp32 itself/,
      );
    });
    assert.doesNotMatch(textsOf(await renderSvg(uniformChart(UNIFORM))).join(' '), /item by item/);
  });

  it('labels the points of the memory panel with their bit width', async () => {
    const texts = textsOf(await renderSvg(uniformChart(UNIFORM)));
    // Two panels' labels, each on its white rim.
    assert.equal(texts.filter((text) => text === 'fp32').length, 4);
    for (const text of ['SST-2', 'WikiText-2', 'Accuracy (%)', 'Memory (MB)', 'Bits a weight'])
      assert.ok(texts.includes(text), text);
  });

  it('names the data that was used where it is not the paper’s', async () => {
    const chart = uniformChart(UNIFORM, { sst2: 'UCI movie sentences' });
    const texts = textsOf(await renderSvg(chart));
    assert.ok(texts.includes('UCI movie sentences'));
    assert.ok(!texts.includes('SST-2'));
  });

  it('turns to a logarithmic axis where perplexity explodes', async () => {
    const [first] = UNIFORM.filter((record) => record.task === 'wikitext2');
    const broken = { ...first, bits: 2, metric: 3352, low: 3100, high: 3600 };
    const scaleOf = (records: readonly UniformRecord[]): boolean =>
      JSON.stringify(uniformChart(records)).includes('"type":"log"');
    assert.ok(!scaleOf(UNIFORM));
    assert.ok(scaleOf([...UNIFORM, broken]));
    await assertGoodChart(uniformChart([...UNIFORM, broken]));
  });

  it('refuses no records, a missing baseline, and numbers that cannot be drawn', () => {
    assert.throws(() => uniformChart([]), PlotError);
    assert.throws(
      () => uniformChart(UNIFORM.filter((record) => record.bits !== 32)),
      /baseline is missing.*expected a record with bits 32/,
    );
    const broken = UNIFORM.map((record) =>
      record.bits === 8 ? { ...record, metric: NaN } : record,
    );
    assert.throws(() => uniformChart(broken), /metric: a value cannot be drawn; got NaN/);
  });
});
