import type { Locator, Page } from 'playwright-core';
import { textOf, type Cell } from '../../../scripts/notebooks-file.js';

/** Longest that a cell of these tests may take, in milliseconds. */
const CELL_MS = 240_000;

/** A notebook that is open in the page of the classic Notebook. */
export class ClassicNotebook {
  constructor(private readonly page: Page) {}

  /** Opens it and waits for its kernel. */
  async open(address: string): Promise<void> {
    await this.page.goto(address);
    await this.page.locator('#notebook-container .cell').first().waitFor();
  }

  async kernelIsIdle(): Promise<void> {
    await this.page.locator('#kernel_indicator_icon.kernel_idle_icon').waitFor();
  }

  kernelName(): Promise<string> {
    return this.page.locator('.kernel_indicator_name').innerText();
  }

  /** A code cell by its place among all cells. */
  cell(index: number): Locator {
    return this.page.locator('#notebook-container > .cell').nth(index);
  }

  /** Runs a cell as a reader does: clicks into it, and presses Ctrl-Enter. */
  async run(index: number): Promise<void> {
    const cell = this.cell(index);
    await cell.locator('.CodeMirror').click();
    await this.page.keyboard.press('Control+Enter');
  }

  /** Waits for the end of what is running. */
  async finished(index: number): Promise<void> {
    const cell = this.cell(index).and(this.page.locator('.running'));
    await cell.waitFor({ state: 'detached', timeout: CELL_MS });
  }

  async runToEnd(index: number): Promise<void> {
    await this.run(index);
    await this.finished(index);
  }

  /** Kernel → Interrupt. */
  async interrupt(): Promise<void> {
    await this.page.locator('#kernellink').click();
    await this.page.locator('#int_kernel a').click();
  }

  /** File → Save and Checkpoint. */
  async save(): Promise<void> {
    const saved = this.page.waitForResponse(
      (response) =>
        response.request().method() === 'PUT' && response.url().includes('/api/contents/'),
    );
    await this.page.locator('#filelink').click();
    await this.page.locator('#save_checkpoint a').click();
    await saved;
  }

  /** "Trusted" or "Not Trusted". */
  trust(): Promise<string> {
    return this.page.locator('#notification_trusted').innerText();
  }

  output(index: number): Locator {
    return this.cell(index).locator('.output');
  }
}

/** The place of the first code cell with a text in it. */
export function cellWith(cells: readonly Cell[], text: string): number {
  const index = cells.findIndex(
    ({ cell_type: type, source }) => type === 'code' && textOf(source).includes(text),
  );
  if (index < 0) throw new Error(`no cell has ${text}`);
  return index;
}
