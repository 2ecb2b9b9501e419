import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningServer } from '../../scripts/lab-server.js';
import type { Cell } from '../../scripts/notebooks-file.js';
import { noChromium, openPage, withPage, type OpenPage } from './support/chromium.js';
import { cellWith, ClassicNotebook } from './support/classic.js';
import { Figure } from './support/figure.js';
import {
  classicNotebook,
  makeWorkspace,
  NOTEBOOK_FAULTS,
  pageOf,
  startIn,
  type Workspace,
} from './support/jupyter.js';
import { describeWith } from './support/needs.js';
import { assertPicture } from './support/picture.js';
import { readRuns } from './support/runs.js';
import { assertFollowsLimits, assertSelectsByLambda } from './support/sliders.js';
import { storeRows, type StoreRows } from './support/store-rows.js';

/** What the last start of a run did, of `run.json`: plans measured, verdicts reached, plans looked up. */
interface Work {
  readonly measured: number;
  readonly stopped: number;
  readonly remembered: number;
}

/** From the start of the first cell, with its kernel running. */
const FIRST_CHART_MS = 15_000;

const server = classicNotebook();
const missing = server === undefined ? 'no classic Jupyter Notebook' : noChromium;

describeWith('the classic Notebook, in Chromium', missing, function () {
  this.timeout(600_000);
  let workspace: Workspace;
  let running: RunningServer;
  let address: string;
  const rules = () => ({ allowed: [new URL(address).origin], ignored: NOTEBOOK_FAULTS });

  before(async () => {
    workspace = await makeWorkspace();
    running = startIn(server!, workspace);
    address = await running.address;
  });
  after(async () => {
    await running.stop();
    await workspace.remove();
  });

  it('offers the kernel by its name', async () => {
    await withPage(rules(), async (page) => {
      await page.goto(pageOf(address, '/tree'));
      await page.locator('#new-dropdown-button').click();
      await page.locator('#kernel-qslm a', { hasText: 'TypeScript (qslm)' }).waitFor();
    });
  });

  it('starts a second time beside itself, on another port', async () => {
    const second = startIn(server!, workspace);
    try {
      const other = await second.address;
      assert.notEqual(new URL(other).port, new URL(address).port);
      for (const each of [address, other]) {
        const response = await fetch(pageOf(each, '/api/kernelspecs'));
        const { kernelspecs } = (await response.json()) as { kernelspecs: Record<string, unknown> };
        assert.ok('qslm' in kernelspecs);
      }
    } finally {
      await second.stop();
    }
  });

  it('shows the pictures of a notebook as it is committed, before anything was run', async () => {
    const name = '06-selection.ipynb';
    await workspace.copy(name);
    await withPage(rules(), async (page) => {
      const notebook = new ClassicNotebook(page);
      await notebook.open(pageOf(address, `/notebooks/${name}`));
      assert.equal(await notebook.trust(), 'Not Trusted');
      const figures = await page.locator('.qslm-figure').all();
      assert.ok(figures.length >= 4, `${figures.length} figures`);
      for (const figure of figures) await assertPicture(figure);
    });
  });

  it('shows the first chart of 02 within 15 s of its first cell', async () => {
    const name = '02-inside-spikegpt.ipynb';
    const { cells } = await workspace.add(name);
    const chart = cellWith(cells, 'show(');
    await withPage(rules(), async (page) => {
      const notebook = new ClassicNotebook(page);
      await notebook.open(pageOf(address, `/notebooks/${name}`));
      await notebook.kernelIsIdle();
      assert.equal(await notebook.kernelName(), 'TypeScript (qslm)');
      const started = performance.now();
      for (let cell = 0; cell <= chart; cell++)
        if (cells[cell].cell_type === 'code') await notebook.run(cell);
      await notebook.output(chart).locator('.interactive svg.marks').waitFor();
      const took = performance.now() - started;
      console.log(`      first chart after ${(took / 1000).toFixed(1)} s`);
      assert.ok(took < FIRST_CHART_MS, `${took} ms`);
    });
  });

  describe('with 01, whose search was interrupted and run again', () => {
    const name = '01-quick-start.ipynb';
    let open: OpenPage;
    let notebook: ClassicNotebook;
    let cells: readonly Cell[];
    let search: number;
    let chart: number;
    let told: string;
    let firstChart: number;
    let whenInterrupted: StoreRows;

    before(async () => {
      // Sentences enough for a search that can be interrupted, and no more.
      ({ cells } = await workspace.add(name, (source) =>
        source.replace("measurements.sqlite' }", "measurements.sqlite', limit: 100 }"),
      ));
      [search, chart] = [cellWith(cells, 'runSearch(\n'), cellWith(cells, 'show(paretoFigure')];
      open = await openPage(rules());
      notebook = new ClassicNotebook(open.page);
      await notebook.open(pageOf(address, `/notebooks/${name}`));
      await notebook.kernelIsIdle();
      const started = performance.now();
      for (let cell = 0; cell < search; cell++)
        if (cells[cell].cell_type === 'code') await notebook.runToEnd(cell);
      await notebook.output(cellWith(cells, 'show(')).locator('.interactive svg.marks').waitFor();
      firstChart = performance.now() - started;
      await notebook.run(search);
      await notebook
        .output(search)
        .getByText(/ [3-9] of \d+ evaluations/)
        .waitFor();
      await notebook.interrupt();
      // The cell ends at once, its work at the next step.
      await notebook
        .output(search)
        .getByText(/ stopped after /)
        .waitFor();
      await notebook.finished(search);
      told = await notebook.output(search).innerText();
      whenInterrupted = storeRows(store());
      await notebook.runToEnd(search);
      await notebook.runToEnd(chart);
    });
    after(() => open.close());

    const store = (): string => join(workspace.folder, 'out', 'measurements.sqlite');
    const runs = (): string => join(workspace.folder, 'out', 'runs');

    it('shows its first chart within 15 s of its first cell', () => {
      console.log(`      first chart after ${(firstChart / 1000).toFixed(1)} s`);
      assert.ok(firstChart < FIRST_CHART_MS, `${firstChart} ms`);
    });

    it('says after the interrupt how to go on', () => {
      assert.match(told, /stopped after/);
      assert.match(
        told,
        /^Interrupted\. What was measured is kept.*run the cell again to go on\.$/m,
      );
      assert.doesNotMatch(told, /\n\s+at /);
    });

    it('measured nothing twice but what was in flight', () => {
      const atEnd = storeRows(store());
      const [id, ...others] = readdirSync(runs());
      assert.deepEqual(others, [], 'the interrupted run was begun anew');
      const { starts, state, work } = JSON.parse(
        readFileSync(join(runs(), id, 'run.json'), 'utf8'),
      ) as { starts: string[]; state: string; work: Work };
      assert.equal(starts.length, 2);
      assert.equal(state, 'finished');
      for (const table of ['measurements', 'verdicts'] as const)
        for (const [key, createdAt] of whenInterrupted[table])
          assert.equal(atEnd[table].get(key), createdAt, `${table}: ${key} was measured again`);
      assert.ok(whenInterrupted.measurements.size > 2, 'interrupted before anything was measured');
      const added = (table: keyof StoreRows): number =>
        atEnd[table].size - whenInterrupted[table].size;
      // What was in flight is among them: it was not kept, and is measured once more.
      assert.equal(work.measured, added('measurements'));
      assert.equal(work.stopped, added('verdicts'));
      assert.ok(work.remembered >= whenInterrupted.measurements.size);
    });

    it('selects as the search does, for every λ and limit set on its sliders', async () => {
      const live = notebook.output(chart).locator('.interactive');
      await live.locator('svg.marks').waitFor();
      const [run] = readRuns(runs());
      await assertSelectsByLambda(new Figure(live), run);
      await assertFollowsLimits(new Figure(live), run);
    });

    it('shows the picture to one who does not trust it', async () => {
      await notebook.save();
      const stranger = startIn(server!, workspace, 'stranger');
      try {
        const theirs = await stranger.address;
        await withPage({ ...rules(), allowed: [new URL(theirs).origin] }, async (page) => {
          const reopened = new ClassicNotebook(page);
          await reopened.open(pageOf(theirs, `/notebooks/${name}`));
          assert.equal(await reopened.trust(), 'Not Trusted');
          await assertPicture(reopened.output(chart).locator('.qslm-figure'));
        });
      } finally {
        await stranger.stop();
      }
    });
  });
});
