import assert from 'node:assert/strict';
import { hierarchyCells, hierarchyChart } from '../../src/plots/figures/hierarchy.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import { MATRICES } from './records.js';
import { assertGoodChart, textsOf, withView } from './support.js';

const PLANNED = MATRICES.map((matrix) => ({
  ...matrix,
  bits: matrix.block === 'input' ? 8 : matrix.matrix === 'vectors' ? 32 : 4,
}));

describe('plots/hierarchy', () => {
  it('is valid and draws without a warning, with and without a plan', async () => {
    await assertGoodChart(hierarchyChart(MATRICES, 'spikegpt-mini'));
    await assertGoodChart(hierarchyChart(PLANNED, 'spikegpt-mini'));
  });

  it('divides every level into shares without gap or overlap', () => {
    const cells = hierarchyCells(MATRICES);
    for (const level of [0, 1, 2, 3]) {
      const own = cells.filter((cell) => cell.level === level);
      assert.equal(own[0].left, 0);
      assert.ok(Math.abs(own.at(-1)!.right - 1) < 1e-12);
      own.slice(1).forEach((cell, index) => {
        assert.ok(Math.abs(cell.left - own[index].right) < 1e-12);
      });
      const parameters = own.reduce((sum, cell) => sum + cell.parameters, 0);
      assert.equal(parameters, 4_461_696);
    }
    const counts = [0, 1, 2, 3].map((level) => cells.filter((cell) => cell.level === level).length);
    assert.deepEqual(counts, [1, 8, 1 + 6 * 3 + 1, MATRICES.length]);
  });

  it('gives the shares of the bundled model: 17.6 / 64.7 / 17.6 %', () => {
    const blocks = hierarchyCells(MATRICES).filter((cell) => cell.level === 1);
    const share = (kind: string): string =>
      blocks
        .filter((cell) => cell.kind === kind)
        .reduce((sum, cell) => sum + 100 * (cell.right - cell.left), 0)
        .toFixed(1);
    assert.deepEqual(['input', 'attention', 'output'].map(share), ['17.6', '64.7', '17.6']);
  });

  it('averages bits over parameters, not over matrices', () => {
    const records = [
      { block: 'input', module: 'embedding', matrix: 'emb', parameters: 300, bits: 4 },
      { block: 'output', module: 'head', matrix: 'norm', parameters: 100, bits: 32 },
    ];
    assert.equal(hierarchyCells(records)[0].bits, 11);
  });

  it('enlarges the block that is chosen', async () => {
    await withView(hierarchyChart(MATRICES, 'spikegpt-mini'), async (view) => {
      const before = textsOf(await view.toSVG());
      assert.ok(before.includes('embedding') && !before.includes('receptance'));
      view.signal('focus', 'attention.2');
      await view.runAsync();
      const after = textsOf(await view.toSVG());
      for (const text of ['SRWKV', 'key', 'receptance', 'value', 'output'])
        assert.ok(after.includes(text), text);
    });
  });

  it('labels the bits of a plan', async () => {
    const texts = textsOf(await renderSvg(hierarchyChart(PLANNED, 'spikegpt-mini')));
    assert.ok(texts.includes('embedding · 8'));
  });

  it('refuses a plan for some matrices only, and nothing at all', () => {
    const some = [PLANNED[0], ...MATRICES.slice(1)];
    assert.throws(() => hierarchyChart(some, 'm'), /attention.0\/SRWKV\/key: bits are missing/);
    assert.throws(() => hierarchyChart([], 'm'), /nothing to draw/);
  });
});
