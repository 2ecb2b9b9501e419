import assert from 'node:assert/strict';
import { uniformChart } from '../../src/plots/figures/uniform.js';
import type { UniformRecord } from '../../src/plots/records.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import { PlotError } from '../../src/util/errors.js';
import { PAPER, UNIFORM } from './records.js';
import {
  assertGoodChart,
  assertNoTextOverlaps,
  drawnTexts,
  rowsWith,
  textsOf,
  withView,
} from './support.js';

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
      for (const { bits, metric, barLow, barHigh } of rowsWith(view, 'bits', 'barLow') as {
        [field: string]: number;
      }[]) {
        if (bits === 32) continue;
        assert.ok(Math.abs(barLow - metric + 0.001) < 1e-12);
        assert.ok(Math.abs(barHigh - metric - 0.002) < 1e-12);
      }
      const texts = textsOf(await view.toSVG()).join(' ');
      assert.match(texts, /Bars: 95 % intervals of the difference to fp32, item by item/);
    });
    assert.doesNotMatch(textsOf(await renderSvg(uniformChart(UNIFORM))).join(' '), /item by item/);
  });

  it('labels the points of the memory panel with their bit width', async () => {
    const texts = textsOf(await renderSvg(uniformChart(UNIFORM)));
    assert.equal(texts.filter((text) => text === 'fp32').length, 2);
    for (const text of ['SST-2', 'WikiText-2', 'Accuracy (%)', 'Memory (MB)', 'Bits a weight'])
      assert.ok(texts.includes(text), text);
  });

  it('has no text over another, at all widths from 16 bits to 2, with the paper’s cases', async () => {
    const [sst2] = UNIFORM;
    const widths = [32, ...Array.from({ length: 15 }, (_, index) => 16 - index)];
    const all = widths.map((bits) => ({
      ...{ ...sst2, bits, saving: 1 - bits / 32, bytes: (sst2.bytes * bits) / 32 },
      metric: bits > 9 ? 0.777 : 0.777 - 0.02 * (10 - bits),
    }));
    for (const records of [UNIFORM, all])
      await withView(uniformChart(records, {}, { paper: PAPER }), (view) => {
        assertNoTextOverlaps(view);
        const bits = drawnTexts(view).filter(({ text }) => /^(\d|1\d)$/.test(text));
        assert.ok(bits.length >= 2 * 8);
      });
  });

  it('draws the paper’s cases as changes from our baseline, each with its name', async () => {
    const chart = uniformChart(UNIFORM, {}, { paper: PAPER });
    await assertGoodChart(chart);
    const svg = await renderSvg(chart);
    for (const { name } of PAPER) assert.ok(svg.includes(`Paper, case: ${name};`), name);
    for (const label of ['a1', 'a2', 'b1', 'b2']) assert.ok(textsOf(svg).includes(label), label);
    // b1: 24.6 where the paper's fp32 has 26.5; ours has 36.32.
    assert.match(JSON.stringify(chart), /"name":"b1","metric":34\.42/);
    const b3 = { ...PAPER[2], name: 'b3', metric: 24.5 };
    const near = await renderSvg(uniformChart(UNIFORM, {}, { paper: [...PAPER, b3] }));
    assert.ok(textsOf(near).includes('b1, b3'), 'one label where two lie in one place');
    assert.doesNotMatch(await renderSvg(uniformChart(UNIFORM)), /[Pp]aper/);
  });

  it('measures memory from 0 to the widest plan, and fp32 beyond a break of the axis', async () => {
    interface View {
      readonly width: number;
      readonly layer: { encoding: { x?: { field?: string; scale?: { domain: number[] } } } }[];
    }
    const [row] = uniformChart(UNIFORM).vconcat as unknown as {
      hconcat: [View, { hconcat: View[] }];
    }[];
    const domains = row.hconcat[1].hconcat.map(({ layer }) =>
      layer.flatMap(({ encoding: { x } }) => x?.scale?.domain ?? []).slice(0, 2),
    );
    const widest = UNIFORM.filter(({ task }) => task === 'sst2')[1].bytes / 1e6;
    assert.equal(domains.length, 2);
    assert.equal(domains[0][0], 0);
    assert.ok(widest / domains[0][1] > 0.9, 'little room is left empty');
    assert.ok(domains[1][0] < 14.7 && domains[1][1] > 14.7);
    // A plan that takes nearly as much as fp32 leaves nothing to break out.
    const wide = UNIFORM.map((each) => (each.bits === 16 ? { ...each, bytes: 14e6 } : each));
    const [whole] = uniformChart(wide).vconcat as unknown as {
      hconcat: [View, { hconcat: View[] }];
    }[];
    assert.equal(whole.hconcat[1].hconcat.length, 1);
    await assertGoodChart(uniformChart(wide));
  });

  it('says in the title from which width down a loss is beyond noise, and only there', () => {
    const half = { sst2: 0.015, wikitext2: 0.8 };
    const paired = (records: readonly UniformRecord[]): UniformRecord[] =>
      records.map((each) => ({
        ...each,
        ...(each.bits < 32 && {
          pairedLow: each.metric - half[each.task as 'sst2'],
          pairedHigh: each.metric + half[each.task as 'sst2'],
        }),
      }));
    const titleOf = (records: readonly UniformRecord[]): string =>
      [(uniformChart(records).title as { text: string | string[] }).text].flat().join(' ');
    const sst2 = paired(UNIFORM.filter(({ task }) => task === 'sst2'));
    assert.match(titleOf(sst2), /a loss beyond noise from 6 bits down \(69\.7 %, fp32 77\.7 %\)/);
    assert.match(
      titleOf(paired(UNIFORM)),
      /^SST-2: .* from 6 bits down .* WikiText-2: .* from 8 bits/,
    );
    const slight = sst2.filter(({ bits }) => bits > 6);
    assert.equal(titleOf(slight), 'One width for all: no loss beyond noise');
    // 8 bits of one sample alone would be beyond its 95 %; over all widths it is not.
    const half8 = (records: readonly UniformRecord[]): UniformRecord[] =>
      records.map((each) =>
        each.bits === 8 ? { ...each, pairedLow: 0.757, pairedHigh: 0.7769 } : each,
      );
    assert.equal(titleOf(half8(slight)), 'One width for all: no loss beyond noise');
    // Without intervals of the difference nothing can be said.
    const plain = 'Uniform quantization: quality against bit width and memory';
    assert.equal(titleOf(UNIFORM), plain);
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
