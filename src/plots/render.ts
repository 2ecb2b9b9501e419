import { PlotError } from '../util/errors.js';
import { renderSvg } from './headless.js';
import { figureHtml, pageHtml, type VegaBundle } from './page.js';
import type { ChartSpec } from './spec.js';

/** PNG pixels for one pixel of the figure: sharp on a dense screen and in print. */
const PNG_SCALE = 2;

/** What is used of `@resvg/resvg-js`, which is optional. */
interface ResvgModule {
  readonly Resvg: new (svg: string, options: object) => { render(): { asPng(): Uint8Array } };
}

/**
 * The figure as PNG, twice its size in pixels.
 * @throws {PlotError} when it cannot be drawn, or the optional package `@resvg/resvg-js` is missing.
 */
export async function renderPng(spec: ChartSpec): Promise<Uint8Array> {
  const { Resvg } = await loadResvg();
  const options = {
    fitTo: { mode: 'zoom', value: PNG_SCALE },
    font: { loadSystemFonts: true, defaultFontFamily: 'Liberation Sans' },
  };
  return new Resvg(await renderSvg(spec), options).render().asPng();
}

async function loadResvg(): Promise<ResvgModule> {
  // In a variable, so that the compiler does not ask for the types of a package that may be missing.
  const name = '@resvg/resvg-js';
  try {
    return (await import(name)) as ResvgModule;
  } catch (error) {
    throw new PlotError(
      {
        what: 'PNG needs an optional package',
        where: 'render',
        got: `no ${name}`,
        expected: `npm install ${name}, or the format "svg"`,
      },
      { cause: error },
    );
  }
}

/** The figure alone as an HTML page that opens offline. @throws {PlotError} when it cannot be drawn. */
export async function renderHtml(spec: ChartSpec, bundle: VegaBundle): Promise<string> {
  const figure = figureHtml('figure-1', spec, await renderSvg(spec));
  return pageHtml(titleOf(spec), figure, bundle);
}

function titleOf({ title, description }: ChartSpec): string {
  if (typeof title === 'string') return title;
  if (typeof title === 'object' && title !== null && 'text' in title)
    if (typeof title.text === 'string') return title.text;
  return description;
}

/** How a figure can be written to a file. */
export type ChartFormat = 'svg' | 'png' | 'html';

/**
 * The figure in the format asked for, without a browser: text for svg and html, bytes for png.
 *
 * @param bundle vega's browser scripts, for html only.
 * @throws {PlotError} when it cannot be drawn, or something that the format needs is missing.
 */
export async function render(
  spec: ChartSpec,
  format: ChartFormat,
  bundle?: VegaBundle,
): Promise<string | Uint8Array> {
  switch (format) {
    case 'svg':
      return renderSvg(spec);
    case 'png':
      return renderPng(spec);
    case 'html':
      if (bundle !== undefined) return renderHtml(spec, bundle);
      throw new PlotError({
        what: "html needs vega's browser scripts",
        where: 'render',
        expected: 'a VegaBundle, from loadVegaBundle()',
      });
  }
}
