import { readFile } from 'node:fs/promises';
import type { Resvg } from '@resvg/resvg-wasm';
import { PlotError } from '../../util/errors.js';
import type { ChartSpec } from '../parts/spec.js';
import { FONT_FAMILY, fontFiles } from './fonts.js';
import { renderSvg } from './headless.js';

/** PNG pixels for one pixel of the figure: sharp on a dense screen and in print. */
export const PNG_SCALE = 2;

/**
 * The figure as PNG, {@link PNG_SCALE} times its size in pixels. Renderer and fonts come with the package,
 * so that the picture is the same on every machine, also on one without fonts.
 *
 * @throws {PlotError} when it cannot be drawn.
 */
export async function renderPng(spec: ChartSpec): Promise<Uint8Array> {
  return pngOf(spec, await renderSvg(spec));
}

/** The same for a figure that has been drawn. @throws {PlotError} as {@link renderPng}. */
export async function pngOf(spec: ChartSpec, svg: string): Promise<Uint8Array> {
  const { Renderer, fonts } = await (renderer ??= loadRenderer());
  const font = { fontBuffers: fonts, defaultFontFamily: FONT_FAMILY, sansSerifFamily: FONT_FAMILY };
  try {
    const picture = new Renderer(svg, { fitTo: { mode: 'zoom', value: PNG_SCALE }, font });
    return picture.render().asPng();
  } catch (error) {
    // The renderer gives up on marks with an opacity of their own that lie far outside of the picture.
    throw new PlotError(
      {
        what: 'the figure cannot be drawn as PNG',
        where: spec.description,
        got: String(error),
        expected: 'marks within the picture, or the format "svg"',
      },
      { cause: error },
    );
  }
}

interface LoadedRenderer {
  readonly Renderer: typeof Resvg;
  readonly fonts: Uint8Array[];
}

/** Loaded by the first PNG, and only then: three megabytes. */
let renderer: Promise<LoadedRenderer> | undefined;

/**
 * resvg as WebAssembly. Its native form ends the whole process where it cannot draw a picture; this one
 * throws, and needs no binary for the platform.
 */
async function loadRenderer(): Promise<LoadedRenderer> {
  const { initWasm, Resvg: Renderer } = await import('@resvg/resvg-wasm');
  await initWasm(await readFile(require.resolve('@resvg/resvg-wasm/index_bg.wasm')));
  return { Renderer, fonts: await Promise.all(fontFiles().map((file) => readFile(file))) };
}
