import assert from 'node:assert/strict';
import type { Locator, Page } from 'playwright-core';
import { openRun } from '../../src/experiment/record/open-run.js';
import { lambdaIntervals, select } from '../../src/experiment/selection/select-run.js';
import { packagePath } from '../../src/util/paths.js';
import { noChromium, withPage } from './support/chromium.js';
import {
  exported,
  hasLambda,
  notebookNames,
  runOf,
  type ExportedNotebook,
} from './support/exported.js';
import { Figure } from './support/figure.js';
import { describeWith } from './support/needs.js';
import { assertPicture } from './support/picture.js';
import { readRuns } from './support/runs.js';
import { assertFollowsLimits, assertSelectsByLambda } from './support/sliders.js';

const RUNS = packagePath('out', 'runs');

/** Notebooks whose text speaks of sliders. */
const WITH_SLIDERS = ['01-quick-start.ipynb', '06-selection.ipynb'];

/** Figures of a page, once each has become interactive. */
async function liveFigures(page: Page): Promise<Locator> {
  const figures = page.locator('.qslm-figure');
  await page.waitForLoadState();
  for (const figure of await figures.all())
    await figure.locator('.interactive svg.marks').waitFor();
  return figures;
}

for (const name of notebookNames()) {
  const notebook = exported(name);
  const missing = notebook === undefined ? 'not in out/notebooks: npm run notebooks' : noChromium;
  describeWith(`${name} exported, in Chromium`, missing, () => {
    test(name, notebook!);
  });
}

function test(name: string, { address, specs }: ExportedNotebook): void {
  const allowed = [address];

  it('has all its figures interactive, and no errors', async () => {
    await withPage({ allowed }, async (page) => {
      await page.goto(address);
      const figures = await liveFigures(page);
      assert.equal(await figures.count(), specs.length);
      for (const figure of await figures.all())
        assert.ok(await figure.locator('.static').isHidden());
    });
  });

  it('leads to the pages of other notebooks, not to files that no browser shows', async () => {
    await withPage({ allowed }, async (page) => {
      await page.goto(address);
      const links: string[] = [];
      for (const link of await page.locator('a[href]').all()) {
        const href = (await link.getAttribute('href')) ?? '';
        if (/^\d\d-/.test(href)) links.push(href);
      }
      for (const href of links) assert.match(href, /^[\w-]+\.html(#|$)/);
      const last = notebookNames().at(-1) === name;
      assert.ok(last || links.length > 0, 'no link to the next notebook');
    });
  });

  it('asks nothing of the network, also where its own policy is switched off', async () => {
    await withPage({ allowed, context: { bypassCSP: true } }, async (page) => {
      await page.goto(address);
      await liveFigures(page);
    });
  });

  it('shows pictures where scripts are off', async () => {
    await withPage({ allowed, context: { javaScriptEnabled: false } }, async (page) => {
      await page.goto(address);
      const figures = page.locator('.qslm-figure');
      assert.equal(await figures.count(), specs.length);
      for (const figure of await figures.all()) await assertPicture(figure);
    });
  });

  const sliders = specs.flatMap((spec, index) => (hasLambda(spec) ? [{ spec, index }] : []));
  if (sliders.length === 0 && !WITH_SLIDERS.includes(name)) return;
  it('selects as the search does, for every λ and limit on its sliders', async () => {
    assert.ok(sliders.length > 0, 'no slider for λ');
    const runs = readRuns(RUNS);
    await withPage({ allowed }, async (page) => {
      await page.goto(address);
      const figures = await liveFigures(page);
      for (const { spec, index } of sliders) {
        const run = runOf(spec, runs);
        assert.ok(run !== undefined, `figure ${index + 1} shows the plans of no run`);
        const figure = new Figure(figures.nth(index).locator('.interactive'));
        await assertSelectsByLambda(figure, run);
        await assertAsSelectDoes(figure, run.folder);
        await assertFollowsLimits(figure, run);
      }
    });
  });
}

/** The figure and `select(run, λ)` of a cell agree at each breakpoint of either score. */
async function assertAsSelectDoes(figure: Figure, folder: string): Promise<void> {
  const run = await openRun(folder, RUNS);
  assert.equal(run.kind, 'search');
  for (const score of ['paper', 'balanced'] as const) {
    await figure.choose(score);
    for (const { from } of lambdaIntervals(run, { score })) {
      const lambda = await figure.moveLambda(score, from);
      assert.equal(lambda, from);
      assert.equal(await figure.selected(), select(run, lambda, { score }).candidate.step);
    }
  }
}
