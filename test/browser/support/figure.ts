import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import type { ScoreName } from '../../../src/search/score.js';

/** A rectangle on the screen. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A place on the screen, in the pixels of {@link Box}. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** A figure with sliders, as a reader of the page sees it. */
export class Figure {
  /** @param root the element that the interactive figure was put into. */
  constructor(private readonly root: Locator) {}

  /** The slider that is bound to a signal: `place`, `maxLoss`, `maxMemory`. */
  slider(signal: string): Locator {
    return this.root.locator(`input[type=range][name=${signal}]`);
  }

  async value(signal: string): Promise<number> {
    return Number(await this.slider(signal).inputValue());
  }

  /** Moves a slider, and returns where it came to rest: on one of its steps. */
  async move(signal: string, value: number): Promise<number> {
    const [least, step] = [await this.number(signal, 'min'), await this.number(signal, 'step')];
    const place = least + Math.round((value - least) / step) * step;
    await this.slider(signal).fill(String(Number(place.toPrecision(12))));
    return this.value(signal);
  }

  /** Sets the switch of the score. */
  async choose(score: ScoreName): Promise<void> {
    await this.root.locator('select[name=score]').selectOption(score);
  }

  /** The λ that the slider stops at, of a score. */
  async stops(score: ScoreName): Promise<number[]> {
    return ((await this.signal('lambdaStops')) as Record<ScoreName, number[]>)[score];
  }

  /** The λ that is set. */
  async lambda(): Promise<number> {
    return (await this.signal('lambda')) as number;
  }

  /** Moves λ to the stop of a score nearest to a value, and returns that. */
  async moveLambda(score: ScoreName, value: number): Promise<number> {
    const distances = (await this.stops(score)).map((stop) => Math.abs(stop - value));
    await this.move('place', distances.indexOf(Math.min(...distances)));
    return this.lambda();
  }

  /** Presses a key on the slider of λ. */
  async press(key: 'ArrowLeft' | 'ArrowRight'): Promise<void> {
    await this.slider('place').press(key);
  }

  /** What is said of the pieces of the scale of λ: "λ 0 to 0.03 selects step 2: …". */
  async pieces(): Promise<string[]> {
    await this.drawn();
    const marks = this.root.locator('svg.marks path[aria-label^="λ "]');
    return marks.evaluateAll((paths: readonly unknown[]) =>
      (paths as readonly MarkElement[]).map((path) => path.getAttribute('aria-label') ?? ''),
    );
  }

  private async signal(name: string): Promise<unknown> {
    await this.drawn();
    return this.root.evaluate(
      (element: unknown, signal) =>
        (element as FigureElement).closest('.qslm-figure, figure').view.signal(signal),
      name,
    );
  }

  /** The right end of a slider. */
  async largest(signal: string): Promise<number> {
    return this.number(signal, 'max');
  }

  /** How far apart the places of a slider are. */
  async step(signal: string): Promise<number> {
    return this.number(signal, 'step');
  }

  private async number(signal: string, attribute: 'min' | 'max' | 'step'): Promise<number> {
    return Number(await this.slider(signal).getAttribute(attribute));
  }

  /** What the line above the plot says once the figure is drawn anew. */
  async status(): Promise<string> {
    await this.drawn();
    return this.root
      .locator('svg.marks text')
      .filter({ hasText: / selects step \d+|^No plan / })
      .first()
      .innerHTML();
  }

  /** The step that the figure says is selected; undefined where it says that there is none. */
  async selected(): Promise<number | undefined> {
    const text = await this.status();
    const step = / selects step (\d+)/.exec(text)?.[1];
    if (step === undefined) assert.match(text, /^No plan /);
    return step === undefined ? undefined : Number(step);
  }

  /**
   * Where the steps of the search are drawn, by number: the origin of each mark. The middle of its box lies
   * elsewhere where a symbol, as the star of the selected one, is not the same on both sides.
   */
  async points(): Promise<Map<number, Place>> {
    const marks = this.root.locator('svg.marks path[aria-roledescription="point"]');
    // All at once: a page is slow to be asked.
    const drawn = await marks.evaluateAll((paths: readonly unknown[]) =>
      (paths as readonly MarkElement[]).map((path) => {
        const { e: x, f: y } = path.getScreenCTM();
        return { label: path.getAttribute('aria-label') ?? '', x, y };
      }),
    );
    const points = new Map<number, Place>();
    for (const { label, ...place } of drawn) {
      // After a comma: of a search laid beside the one selected from.
      const step = /[^,] step (\d+),/.exec(label)?.[1];
      if (step !== undefined) points.set(Number(step), place);
    }
    return points;
  }

  /** The shaded region; undefined where a limit leaves nothing of it. */
  async region(): Promise<Box | undefined> {
    const box = await this.root.locator('svg.marks .mark-rect path').first().boundingBox();
    return box === null || box.width === 0 || box.height === 0 ? undefined : box;
  }

  /** Waits until vega has drawn: it does so after the event of a slider. */
  private async drawn(): Promise<void> {
    await this.root.evaluate(async (element: unknown) => {
      const holder = (element as FigureElement).closest('.qslm-figure, figure');
      await holder.view.runAsync();
    });
  }
}

/* What is used of the elements of a page: these tests are compiled without a browser's types. */

interface MarkElement {
  /** From the element's own coordinates to the screen's; e and f are its origin. */
  getScreenCTM(): { readonly e: number; readonly f: number };
  getAttribute(name: string): string | null;
}

interface FigureElement {
  closest(selector: string): {
    readonly view: { runAsync(): Promise<unknown>; signal(name: string): unknown };
  };
}
