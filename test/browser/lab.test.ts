import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import type { RunningServer } from '../../scripts/lab-server.js';
import type { Cell } from '../../scripts/notebooks-file.js';
import { noChromium, openPage, type OpenPage } from './support/chromium.js';
import { cellWith } from './support/classic.js';
import { makeWorkspace, pageOf, startIn, type Workspace } from './support/jupyter.js';
import { jupyterLab, LabNotebook, settleUser } from './support/lab.js';
import { describeWith } from './support/needs.js';
import { ownLimits, readRuns, selectedStep } from './support/runs.js';

const server = jupyterLab();
const missing =
  server === undefined ? 'no JupyterLab 4: no index of pip, or JUPYTERLAB not set' : noChromium;

/** From the start of the first cell, with its kernel running. */
const FIRST_CHART_MS = 15_000;

/** Reports that are the server's: of collaboration, terminals and language servers, which are not there. */
const LAB_FAULTS = /\/api\/(collaboration|terminals|lsp|contents)|\/lsp\/|favicon/;

describeWith('JupyterLab 4, in Chromium', missing, function () {
  this.timeout(600_000);
  const name = '01-quick-start.ipynb';
  let workspace: Workspace;
  let running: RunningServer;
  let open: OpenPage;
  let notebook: LabNotebook;
  let cells: readonly Cell[];
  let search: number;
  let chart: number;
  let told: string;
  let firstChart: number;

  const runs = (): string => join(workspace.folder, 'out', 'runs');

  before(async () => {
    workspace = await makeWorkspace();
    await settleUser(workspace);
    // Sentences enough for a search that can be interrupted, and no more.
    ({ cells } = await workspace.add(name, (source) =>
      source.replace("measurements.sqlite' }", "measurements.sqlite', limit: 100 }"),
    ));
    [search, chart] = [cellWith(cells, 'runSearch(\n'), cellWith(cells, 'show(paretoFigure')];
    running = startIn(server!, workspace);
    const address = await running.address;
    open = await openPage({ allowed: [new URL(address).origin], ignored: LAB_FAULTS });
    notebook = new LabNotebook(open.page);
    await notebook.open(pageOf(address, `/lab/tree/${name}`));
    const started = performance.now();
    for (let cell = 0; cell < search; cell++)
      if (cells[cell].cell_type === 'code') await notebook.runToEnd(cell);
    await notebook.chart(cellWith(cells, 'show(')).locator('svg.marks').waitFor();
    firstChart = performance.now() - started;
    await notebook.run(search);
    await notebook
      .output(search)
      .getByText(/ [3-9] of \d+ evaluations/)
      .waitFor();
    await notebook.interrupt();
    await notebook
      .output(search)
      .getByText(/ stopped after /)
      .waitFor();
    await notebook.finished(search);
    told = await notebook.output(search).innerText();
    await notebook.runToEnd(search);
    await notebook.runToEnd(chart);
  });
  after(async () => {
    // In this order: a page whose server has gone reports errors.
    await open.close();
    await running.stop();
    await workspace.remove();
  });

  it('runs the kernel by its name, and shows its first chart in time', async () => {
    assert.equal(await notebook.kernelName(), 'TypeScript (qslm)');
    console.log(`      ${server!.name}: first chart after ${(firstChart / 1000).toFixed(1)} s`);
    assert.ok(firstChart < FIRST_CHART_MS, `${firstChart} ms`);
  });

  it('draws charts of their MIME type, in marks that can be read', async () => {
    const drawn = notebook.chart(chart);
    await drawn.locator('svg.marks').waitFor();
    assert.ok((await drawn.locator('svg.marks path[aria-label]').count()) > 10);
    // The richest form alone: not our HTML beside it.
    assert.equal(await notebook.output(chart).locator('.qslm-figure').count(), 0);
    assert.equal(
      await drawn.locator('a[href*="vega.github.io"]').count(),
      0,
      'leads to a web site',
    );
  });

  it('says after an interrupt how to go on, and goes on', () => {
    assert.match(told, /stopped after/);
    assert.match(told, /^Interrupted\. What was measured is kept.*run the cell again to go on\.$/m);
    const [id, ...others] = readdirSync(runs());
    assert.deepEqual(others, [], 'the interrupted run was begun anew');
    const { starts, state, work } = JSON.parse(
      readFileSync(join(runs(), id, 'run.json'), 'utf8'),
    ) as { starts: string[]; state: string; work: { remembered: number } };
    assert.deepEqual([starts.length, state], [2, 'finished']);
    assert.ok(work.remembered > 2, `${work.remembered} remembered`);
  });

  it('selects as the search does, wherever the slider of λ stands', async () => {
    const drawn = notebook.chart(chart);
    const slider = drawn.locator('input[type=range][name=place]').first();
    const [least, most] = await Promise.all([bound(slider, 'min'), bound(slider, 'max')]);
    const [run] = readRuns(runs());
    const seen = new Set<number | undefined>();
    for (const share of [0, 0.3, 0.55, 0.8, 1]) {
      await slider.fill(String(least + share * (most - least)));
      await open.page.waitForTimeout(400);
      const text = await drawn
        .locator('svg.marks text')
        .filter({ hasText: / selects step \d+/ })
        .first()
        .innerHTML();
      const [, lambda, step] = /λ = ([\d.e-]+) selects step (\d+)/.exec(text) ?? [];
      const expected = selectedStep(run, {
        score: 'paper',
        lambda: Number(lambda),
        ...ownLimits(run),
      });
      assert.equal(Number(step), expected, text);
      seen.add(expected);
    }
    assert.ok(seen.size > 1, 'a slider that always selects the same plan shows nothing');
  });
});

async function bound(slider: Locator, side: 'min' | 'max'): Promise<number> {
  return Number(await slider.getAttribute(side));
}
