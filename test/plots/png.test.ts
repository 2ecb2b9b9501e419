import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { PNG } from 'pngjs';
import { uniformChart } from '../../src/plots/figures/uniform.js';
import { chart, type ChartSpec } from '../../src/plots/parts/spec.js';
import { textWidth } from '../../src/plots/parts/text-width.js';
import { fontFiles } from '../../src/plots/render/fonts.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import { PNG_SCALE, renderPng } from '../../src/plots/render/png.js';
import { render } from '../../src/plots/render/render.js';
import { advanceWidths } from './font-reader.js';
import { UNIFORM } from './records.js';

const CHART = uniformChart(UNIFORM);

async function pixelsOf(spec: ChartSpec): Promise<PNG> {
  return PNG.sync.read(Buffer.from(await renderPng(spec)));
}

/** Pixels of a rectangle that are dark: text and axes, not bands and grid lines. */
function darkPixels({ data, width }: PNG, from: number, to: number): number {
  let dark = 0;
  for (let at = 4 * width * from; at < 4 * width * to; at += 4)
    if (data[at] + data[at + 1] + data[at + 2] < 300) dark++;
  return dark;
}

describe('plots/png', () => {
  it('is a picture of the figure at twice its size, opaque and not blank', async () => {
    const png = await pixelsOf(CHART);
    const svg = await renderSvg(CHART);
    const size = ['width', 'height'].map((side) =>
      Number(new RegExp(` ${side}="([\\d.]+)"`).exec(svg)?.[1]),
    );
    assert.deepEqual(
      [png.width, png.height],
      size.map((pixels) => PNG_SCALE * pixels),
    );
    assert.ok(darkPixels(png, 0, png.height) > 2000);
    assert.ok(png.data.every((value, index) => index % 4 !== 3 || value === 255));
  });

  it('shows text: a title puts ink where there is none without it', async () => {
    const titled = await pixelsOf({ ...CHART, title: { text: 'Wide title', subtitle: '' } });
    const bare = await pixelsOf({ ...CHART, title: { text: ' ', subtitle: '' } });
    assert.deepEqual([titled.width, titled.height], [bare.width, bare.height]);
    const rows = PNG_SCALE * 22;
    assert.equal(darkPixels(bare, 0, rows), 0);
    assert.ok(darkPixels(titled, 0, rows) > 200);
  });

  it('draws the signs beyond ASCII too', async () => {
    const body = { data: { values: [{}] }, mark: 'point', width: 40, height: 10 };
    for (const text of ['λ', '≥', '−', '×', '’', 'µ', '⁶']) {
      const png = await pixelsOf(
        chart('A point under a title of one sign', { ...body, title: text }),
      );
      assert.ok(darkPixels(png, 0, PNG_SCALE * 22) > 3, text);
    }
  });

  it('comes through render() too, with equal bytes for equal input', async () => {
    const [once, twice] = [await render(CHART, 'png'), await render(CHART, 'png')];
    assert.ok(Buffer.from(once).equals(Buffer.from(twice)));
  });
});

describe('plots/text-width', () => {
  const [regular, semiBold] = fontFiles().map((file) => advanceWidths(readFileSync(file)));
  const characters = [
    ...Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)),
    ...Array.from('λσΔ≥≤±≈–—−×·°µ²³⁶→…‘’“”'),
  ];

  it('is the width of each character in the font that draws the picture', () => {
    for (const character of characters) {
      const expected = 11 * regular(character);
      const got = textWidth(character, 11, false);
      assert.ok(Math.abs(got - expected) < 0.03, `${character}: ${got}, in the font ${expected}`);
    }
  });

  it('is within a hundredth of a bold line', () => {
    for (const line of ['Uniform quantization: quality against bit width', 'Case a1: SST-2 (%)']) {
      const expected = line.split('').reduce((sum, character) => sum + 15 * semiBold(character), 0);
      assert.ok(Math.abs(textWidth(line, 15, true) / expected - 1) < 0.01, line);
    }
  });
});
