import { PlotError } from '../../util/errors.js';
import type { ChartSpec } from '../parts/spec.js';
import { renderSvg } from './headless.js';
import { figureHtml, pageHtml, type VegaBundle } from './page.js';
import { renderPng } from './png.js';

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

/** Formats in which a figure can be written to a file. */
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
