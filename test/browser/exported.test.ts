import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { Locator, Page } from 'playwright-core';
import { packagePath } from '../../src/util/paths.js';
import { noChromium, withPage } from './support/chromium.js';
import { exportedNotebooks, hasLambda, runOf } from './support/exported.js';
import { Figure } from './support/figure.js';
import { describeWith } from './support/needs.js';
import { assertPicture } from './support/picture.js';
import { readRuns } from './support/runs.js';
import { assertFollowsLimits, assertSelectsByLambda } from './support/sliders.js';

const RUNS = packagePath('out', 'runs');
const notebooks = exportedNotebooks();
const missing = notebooks.length === 0 ? 'no out/notebooks/*.html: npm run notebooks' : noChromium;

/** Figures of a page, once each has become interactive. */
async function liveFigures(page: Page): Promise<Locator> {
  const figures = page.locator('.qslm-figure');
  await page.waitForLoadState();
  for (const figure of await figures.all())
    await figure.locator('.interactive svg.marks').waitFor();
  return figures;
}

describeWith('exported notebooks, in Chromium', missing, () => {
  const sliders = new Map<string, number>();

  for (const { name, address, specs } of notebooks) {
    it(`${name} has all its figures interactive, and no errors`, async () => {
      await withPage({ allowed: [address] }, async (page) => {
        await page.goto(address);
        const figures = await liveFigures(page);
        assert.equal(await figures.count(), specs.length);
        for (const figure of await figures.all())
          assert.ok(await figure.locator('.static').isHidden());
      });
    });

    it(`${name} asks nothing of the network, also where its own policy is switched off`, async () => {
      await withPage({ allowed: [address], context: { bypassCSP: true } }, async (page) => {
        await page.goto(address);
        await liveFigures(page);
      });
    });

    it(`${name} shows pictures where scripts are off`, async () => {
      await withPage(
        { allowed: [address], context: { javaScriptEnabled: false } },
        async (page) => {
          await page.goto(address);
          const figures = page.locator('.qslm-figure');
          assert.equal(await figures.count(), specs.length);
          for (const figure of await figures.all()) await assertPicture(figure);
        },
      );
    });

    const withSliders = specs.flatMap((spec, index) => (hasLambda(spec) ? [{ spec, index }] : []));
    sliders.set(name, withSliders.length);
    if (withSliders.length > 0)
      it(`${name} selects as the search does, for every λ and limit on its sliders`, async () => {
        assert.ok(existsSync(RUNS), 'notebooks without the runs behind them');
        const runs = readRuns(RUNS);
        await withPage({ allowed: [address] }, async (page) => {
          await page.goto(address);
          const figures = await liveFigures(page);
          for (const { spec, index } of withSliders) {
            const run = runOf(spec, runs);
            assert.ok(run !== undefined, `figure ${index + 1} shows the plans of no run`);
            const figure = new Figure(figures.nth(index).locator('.interactive'));
            await assertSelectsByLambda(figure, run);
            await assertFollowsLimits(figure, run);
          }
        });
      });
  }

  it('have the sliders that their text speaks of', () => {
    for (const name of ['01-quick-start.ipynb', '06-selection.ipynb'])
      assert.ok(sliders.get(name) !== 0, `${name} has no slider for λ`);
  });
});
