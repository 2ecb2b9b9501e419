import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import type { Server } from '../../../scripts/lab-server.js';
import { ENVIRONMENT_BIN, findJupyter } from '../../../scripts/notebooks-jupyter.js';
import { packagePath } from '../../../src/util/paths.js';
import type { Workspace } from './jupyter.js';

/** Where `.ci/run` puts a JupyterLab of pip's; JUPYTERLAB names another `jupyter`. */
const OWN_LAB = packagePath('out', '.jupyterlab');

/** Longest that a cell of these tests may take, in milliseconds. */
const CELL_MS = 240_000;

/** JupyterLab 4 or later. */
export function jupyterLab(): Server | undefined {
  const named = process.env.JUPYTERLAB;
  const own = join(OWN_LAB, ENVIRONMENT_BIN, 'jupyter');
  const jupyter = findJupyter('lab', named === undefined ? [own] : [named]);
  if (jupyter === undefined || Number.parseInt(jupyter.version, 10) < 4) return undefined;
  return { jupyter, subcommand: 'lab', name: `JupyterLab ${jupyter.version}` };
}

/** Settings of a user: all cells are in the page, also those out of sight, and no news are fetched. */
const SETTINGS = {
  'notebook-extension/tracker': { windowingMode: 'none' },
  'apputils-extension/notification': { fetchNews: 'false', checkForUpdates: false },
} as const;

/** Writes the settings of the user that `startIn` starts a server for. */
export async function settleUser({ folder }: Workspace, user = 'user'): Promise<void> {
  for (const [name, settings] of Object.entries(SETTINGS)) {
    const [extension, file] = name.split('/');
    const place = join(folder, user, 'config', 'lab', 'user-settings', '@jupyterlab', extension);
    await mkdir(place, { recursive: true });
    await writeFile(join(place, `${file}.jupyterlab-settings`), JSON.stringify(settings));
  }
}

/** A notebook that is open in the page of JupyterLab. */
export class LabNotebook {
  constructor(private readonly page: Page) {}

  /** Opens it and waits for its kernel. */
  async open(address: string): Promise<void> {
    await this.page.goto(address);
    await this.cell(0).waitFor();
    // Before it has one, a notebook says that its kernel is idle too.
    await this.page
      .locator('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-KernelName', { hasText: 'qslm' })
      .waitFor();
    await this.page
      .locator(
        '.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-ExecutionIndicator[data-status="idle"]',
      )
      .waitFor();
  }

  kernelName(): Promise<string> {
    return this.page.locator('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-KernelName').innerText();
  }

  /** A cell by its place among all cells. */
  cell(index: number): Locator {
    return this.page
      .locator('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell')
      .nth(index);
  }

  /** Runs a cell as a reader does: clicks into it, and presses Ctrl-Enter. */
  async run(index: number): Promise<void> {
    await this.cell(index).locator('.cm-content').click();
    await this.page.keyboard.press('Control+Enter');
  }

  /** Waits for the end of what is running. */
  async finished(index: number): Promise<void> {
    const running = this.cell(index).locator('.jp-InputPrompt', { hasText: '[*]' });
    await running.waitFor({ state: 'detached', timeout: CELL_MS });
  }

  async runToEnd(index: number): Promise<void> {
    await this.run(index);
    await this.finished(index);
  }

  /** The square button. */
  async interrupt(): Promise<void> {
    await this.page
      .locator('.jp-NotebookPanel-toolbar [data-command="notebook:interrupt-kernel"]')
      .click();
  }

  output(index: number): Locator {
    return this.cell(index).locator('.jp-Cell-outputArea');
  }

  /** The chart that JupyterLab draws of the MIME type, not of our HTML. */
  chart(index: number): Locator {
    return this.output(index).locator('.jp-RenderedVegaCommon5, .jp-RenderedVegaLite').first();
  }
}
