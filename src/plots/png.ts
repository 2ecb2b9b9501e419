import { PlotError } from '../util/errors.js';
import { FONT_FAMILY, fontFiles } from './fonts.js';
import { renderSvg } from './headless.js';
import type { ChartSpec } from './spec.js';

/** PNG pixels for one pixel of the figure: sharp on a dense screen and in print. */
export const PNG_SCALE = 2;

/**
 * The figure as PNG, {@link PNG_SCALE} times its size in pixels. The fonts come with the package, so that
 * the picture is the same on every machine, also on one without fonts.
 *
 * @throws {PlotError} when it cannot be drawn, or there is no renderer for this platform.
 */
export async function renderPng(spec: ChartSpec): Promise<Uint8Array> {
  const svg = await renderSvg(spec);
  const { Resvg } = await loadResvg();
  const font = {
    loadSystemFonts: false,
    fontFiles: fontFiles(),
    defaultFontFamily: FONT_FAMILY,
    sansSerifFamily: FONT_FAMILY,
  };
  const picture = new Resvg(svg, { fitTo: { mode: 'zoom', value: PNG_SCALE }, font });
  return picture.render().asPng();
}

/** Native code, prebuilt for the common platforms: loaded by those who want PNG, and only then. */
async function loadResvg(): Promise<typeof import('@resvg/resvg-js')> {
  try {
    return await import('@resvg/resvg-js');
  } catch (error) {
    throw new PlotError(
      {
        what: 'PNG cannot be drawn on this platform',
        where: 'package @resvg/resvg-js',
        got: `no prebuilt binary for ${process.platform} ${process.arch}`,
        expected: 'npm ci with optional dependencies, or the format "svg"',
      },
      { cause: error },
    );
  }
}
