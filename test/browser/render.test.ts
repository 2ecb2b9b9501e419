import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Locator } from 'playwright-core';
import { loadVegaBundle } from '../../src/figures/vega-bundle.js';
import { energyWeights } from '../../src/plots/energy/quality-energy.js';
import { hierarchyChart } from '../../src/plots/figures/hierarchy.js';
import { paretoChart, type ParetoInput } from '../../src/plots/figures/pareto.js';
import { render } from '../../src/plots/render/render.js';
import { renderReport } from '../../src/plots/render/report.js';
import { ENERGY_INPUTS } from '../plots/energy/input.js';
import {
  CASE_A1,
  CASE_B1,
  MATRICES,
  PAPER,
  SST2_BASELINE,
  toySearch,
  UNIFORM,
  WIKITEXT2_BASELINE,
} from '../plots/records.js';
import { noChromium, withPage } from './support/chromium.js';
import { Figure } from './support/figure.js';
import { describeWith } from './support/needs.js';
import { assertPicture } from './support/picture.js';
import { toyRun } from './support/runs.js';
import { assertFollowsLimits, assertSelectsByLambda } from './support/sliders.js';

const ACCURACY: ParetoInput = {
  steps: toySearch(SST2_BASELINE, CASE_A1),
  baseline: SST2_BASELINE,
  limits: CASE_A1,
  uniform: UNIFORM,
  paper: PAPER,
};
const PERPLEXITY: ParetoInput = {
  ...ACCURACY,
  steps: toySearch(WIKITEXT2_BASELINE, CASE_B1),
  baseline: WIKITEXT2_BASELINE,
  limits: CASE_B1,
};

interface PointMark {
  readonly x: number;
  readonly y: number;
  readonly opacity: string | null;
}

/** The marks of the plans measured to the end, by memory and by modelled energy. */
async function marksOf(live: Locator): Promise<[PointMark[], PointMark[]]> {
  const marks: PointMark[] = [];
  for (const path of await live.locator('svg.marks path[fill-opacity]').all()) {
    if ((await path.getAttribute('aria-roledescription')) !== 'point') continue;
    const box = await path.boundingBox();
    const opacity = await path.getAttribute('fill-opacity');
    if (box) marks.push({ x: box.x + box.width / 2, y: box.y + box.height / 2, opacity });
  }
  const middle = (await live.locator('svg.marks').boundingBox())!;
  const border = middle.y + 0.42 * middle.height;
  return [marks.filter(({ y }) => y < border), marks.filter(({ y }) => y >= border)];
}

async function faintMarks(live: Locator): Promise<number[]> {
  const panels = await marksOf(live);
  return panels.map((marks) => marks.filter(({ opacity }) => opacity === '0.07').length);
}

describeWith('a figure as a page of its own, in Chromium', noChromium, () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qslm-page-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function written(input: ParetoInput): Promise<string> {
    const page = join(folder, `${input.baseline.task}.html`);
    await writeFile(page, await render(paretoChart(input), 'html', await loadVegaBundle()));
    return pathToFileURL(page).href;
  }

  for (const [metric, input] of Object.entries({ accuracy: ACCURACY, perplexity: PERPLEXITY }))
    it(`selects by ${metric} as the search does, for every λ and limit set on its sliders`, async () => {
      const address = await written(input);
      await withPage({ allowed: [address] }, async (page) => {
        await page.goto(address);
        const live = page.locator('figure .interactive');
        await live.locator('svg.marks').waitFor();
        assert.ok(await page.locator('figure .static').isHidden());
        const seen = await assertSelectsByLambda(new Figure(live), toyRun(input));
        assert.ok(seen.size > 1, 'a λ that always selects the same plan shows nothing');
        await assertFollowsLimits(new Figure(live), toyRun(input));
      });
    });

  it('selects with modelled energy as the search does, and has a brush that both panels follow', async () => {
    const input = ENERGY_INPUTS.accuracy;
    const address = await written(input);
    await withPage({ allowed: [address] }, async (page) => {
      await page.goto(address);
      const live = page.locator('figure .interactive');
      await live.locator('svg.marks').waitFor();
      const figure = new Figure(live);
      const seen = new Set<string>();
      for (const [place, weight] of energyWeights(input.energy!).entries()) {
        if (![0, 5].includes(weight)) continue;
        await figure.move('energyPlace', place);
        const steps = await assertSelectsByLambda(figure, toyRun(input, weight));
        seen.add([...steps].sort().join());
      }
      assert.equal(seen.size, 2, 'a weight that changes no selection shows nothing');
      assert.deepEqual(await faintMarks(live), [0, 0]);
      // The sliders, which were moved, stand below.
      await live.locator('svg.marks path[fill-opacity]').first().scrollIntoViewIfNeeded();
      const [upper] = await marksOf(live);
      const { x, y } = upper[0];
      await page.mouse.move(x - 12, y - 12);
      await page.mouse.down();
      await page.mouse.move(x + 4, y + 4, { steps: 4 });
      await page.mouse.move(x + 12, y + 12, { steps: 4 });
      await page.mouse.up();
      const [above, below] = await faintMarks(live);
      assert.ok(above > 5 && above < upper.length, String(above));
      assert.equal(below, above, 'the same plans are left out in both panels');
    });
  });

  it('is used by keyboard: arrows go to another plan, Enter pins it, a live region says so', async () => {
    const address = await written(ACCURACY);
    await withPage({ allowed: [address] }, async (page) => {
      await page.goto(address);
      const focused = page.locator('[role="graphics-symbol"][tabindex="0"]');
      await focused.waitFor();
      const region = page.locator('figure [role="status"][aria-live="polite"]');
      await region.filter({ hasText: ' selects step ' }).waitFor({ state: 'attached' });
      await focused.focus();
      const first = await focused.getAttribute('aria-label');
      await page.keyboard.press('ArrowRight');
      const label = await focused.getAttribute('aria-label');
      assert.notEqual(label, first);
      await page.keyboard.press('Enter');
      const plan = /Plan: ([^;]+);/.exec(label ?? '')![1];
      await region.filter({ hasText: `Pinned: ${plan}` }).waitFor({ state: 'attached' });
    });
  });

  it('is as wide in a report as in a notebook, 700 px, and less where the window is narrower', async () => {
    const charts = { pareto: paretoChart(ACCURACY), hierarchy: hierarchyChart(MATRICES, 'mini') };
    const sections = Object.entries(charts).map(([heading, chart]) => ({ heading, chart }));
    const page = join(folder, 'report.html');
    await writeFile(
      page,
      await renderReport({ title: 'Report', sections }, await loadVegaBundle()),
    );
    const address = pathToFileURL(page).href;
    for (const [window, most] of [
      [1400, 700],
      [800, 700],
      [500, 468],
    ])
      await withPage(
        { allowed: [address], context: { viewport: { width: window, height: 900 } } },
        async (page) => {
          await page.goto(address);
          for (const figure of await page.locator('figure .interactive').all()) {
            const marks = figure.locator('svg.marks');
            await marks.waitFor();
            const { width } = (await marks.boundingBox())!;
            assert.ok(width <= most && width > 0.85 * most, `${width} px in ${window}`);
            // Sliders and switches too: nothing is pushed out to the right.
            const [own, all] = await figure.evaluate((element: unknown) => {
              const { clientWidth, scrollWidth } = element as Record<string, number>;
              return [clientWidth, scrollWidth];
            });
            assert.ok(all <= own, `${all} px scroll in ${own}`);
          }
        },
      );
  });

  it('shows a picture where scripts are off', async () => {
    const address = await written(ACCURACY);
    await withPage({ allowed: [address], context: { javaScriptEnabled: false } }, async (page) => {
      await page.goto(address);
      await assertPicture(page.locator('figure'));
    });
  });
});
