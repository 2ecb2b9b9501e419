import assert from 'node:assert/strict';
import { loadLandscape, loadPaperCases } from '../../src/figures/paper-data.js';
import { architectureFigure, landscapeFigure } from '../../src/figures/paper-figures.js';
import { matricesOf } from '../../src/layout/hierarchy.js';
import { SPIKEGPT } from '../../src/model/spikegpt/family.js';
import { structureOf, type ModelStructure } from '../../src/model/structure.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import { PlotError } from '../../src/util/errors.js';
import { FAMILY_TOYS } from '../families/toys.js';
import { assertGoodChart, textsOf } from '../plots/support.js';
import { TOY } from '../support/toy.js';

const named = (structure: ModelStructure, name = 'toy') => ({ ...structure, name });
const spikegpt = (layers: number): ModelStructure => structureOf(SPIKEGPT, { ...TOY, layers });

describe('figures/architecture', () => {
  it('shows each block with its share, and of one each matrix with its shape', async () => {
    const model = named(spikegpt(3));
    await assertGoodChart(architectureFigure(model));
    const texts = textsOf(await renderSvg(architectureFigure(model)));
    for (const text of ['input', '0', '1', '2', 'output', 'SRWKV', 'SRFFN', 'stream'])
      assert.ok(texts.includes(text), text);
    const shown = matricesOf(model.hierarchy).filter(({ path }) => path.startsWith('attention.0/'));
    for (const { matrix, shape } of shown)
      assert.ok(
        texts.some((text) => text.replace(/\s+/g, ' ') === `${matrix} ${shape.join(' × ')}`),
      );
    // A spiking layer at the end of each of the two stages.
    assert.equal(texts.filter((text) => text === 'neurons').length, 2);
    assert.equal(texts.filter((text) => text === '+').length, 2);
  });

  it('leaves the middle out of many blocks, and says how many there are', async () => {
    const figure = architectureFigure(named(spikegpt(18)));
    await assertGoodChart(figure);
    const texts = textsOf(await renderSvg(figure));
    assert.ok(texts.includes('…') && texts.includes('17') && !texts.includes('9'));
    assert.ok(texts.some((text) => text.includes('18 attention blocks')));
  });

  for (const { family, config } of FAMILY_TOYS)
    it(`draws ${family.id} from its layout`, async () => {
      const model = named(structureOf(family, config));
      await assertGoodChart(architectureFigure(model));
      const texts = textsOf(await renderSvg(architectureFigure(model)));
      const [block] = model.hierarchy.blocks.filter(({ path }) => path === 'attention.0');
      for (const { module } of block.modules) assert.ok(texts.includes(module), module);
      // Only where the stream takes spikes and nothing else are these added to it.
      const sums = texts.filter((text) => text === '+').length;
      assert.equal(sums, model.layout.discreteStream ? 2 : 0);
    });

  it('refuses a model without attention blocks', () => {
    const { hierarchy, ...model } = named(spikegpt(1));
    const [input] = hierarchy.blocks;
    const bare = { ...model, hierarchy: { ...hierarchy, blocks: [input] } };
    assert.throws(() => architectureFigure(bare), PlotError);
  });
});

describe('figures/landscape', () => {
  it('takes a model of one’s own beside those that the package carries', async () => {
    const models = await loadLandscape();
    const own = { ...models[0], name: 'mine', kind: 'this project' as const, bytes: 5e6 };
    const texts = textsOf(await renderSvg(landscapeFigure([...models, own])));
    for (const { name } of [...models, own]) assert.ok(texts.includes(name), name);
  });
});

describe('the paper’s cases', () => {
  it('are rows with the limits beside what came of them', async () => {
    const rows = await loadPaperCases();
    assert.deepEqual(
      rows.map((row) => row.case),
      ['a1', 'a2', 'a3', 'b1', 'b2', 'b3'],
    );
    assert.deepEqual(Object.values(rows[0]).slice(1), [
      'SST-2',
      '2 points',
      400,
      '85.7 %',
      '84.4 %',
      '85.7 %',
    ]);
    assert.equal(rows[4]['loss allowed'], '4 of perplexity');
  });
});
