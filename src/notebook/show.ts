import { randomUUID } from 'node:crypto';
import { loadVegaBundle } from '../figures/vega-bundle.js';
import { asVersion5, type ChartSpec } from '../plots/parts/spec.js';
import { renderSvg } from '../plots/render/headless.js';
import { pngOf } from '../plots/render/png.js';
import { displayBundle, displayLive, inNotebook, type MimeBundle } from './display.js';
import { chartScriptsHtml, figureOutputHtml } from './figure-html.js';

/** The MIME type that JupyterLab and VS Code draw by themselves. */
const VEGA_LITE_MIME = 'application/vnd.vegalite.v5+json';

/** True once this kernel has put vega's scripts into the notebook. */
let scriptsShown = false;

/**
 * Puts vega's scripts (0.8 MB) into the output of this cell, for the front ends that draw no charts by
 * themselves: the classic notebook and exported HTML. {@link show} does it with the first figure where
 * it was not called; called in the first cell, figures stay interactive when a later cell is run again.
 *
 * @throws {PlotError} when the packages with the scripts are not installed.
 */
export async function initCharts(): Promise<void> {
  if (!inNotebook()) return;
  displayBundle({ 'text/html': chartScriptsHtml(await loadVegaBundle()), 'text/plain': '' });
  scriptsShown = true;
}

/**
 * Shows a figure below the cell, in the forms that front ends know: interactive in JupyterLab, VS Code,
 * the classic notebook and exported HTML, all without network; a picture where no script may run; its
 * description where there is only text, and outside a notebook.
 *
 * @throws {PlotError} when the figure cannot be drawn.
 */
export async function show(spec: ChartSpec): Promise<void> {
  if (!scriptsShown) await initCharts();
  displayBundle(await bundleOf(spec));
}

/** A figure in all forms that front ends know. */
async function bundleOf(spec: ChartSpec): Promise<MimeBundle> {
  const svg = await renderSvg(spec);
  return {
    [VEGA_LITE_MIME]: asVersion5(spec),
    'text/html': figureOutputHtml(`qslm-${randomUUID()}`, spec, svg),
    'image/svg+xml': svg,
    'image/png': Buffer.from(await pngOf(spec, svg)).toString('base64'),
    'text/plain': spec.description,
  };
}

/** A figure below the cell that changes while something runs. */
export interface LiveFigure {
  /** Draws a figure in place of the last one, or leaves that to a later call where the last one is new. */
  update(draw: () => ChartSpec): void;
  /** Ends with the figure drawn last, in all forms that front ends know. */
  end(): Promise<void>;
}

/** Milliseconds between two drawings: each takes the thread some hundredths of a second. */
const REDRAW_MS = 2000;

/**
 * A figure that changes while something runs: a picture until it ends, since front ends draw that without flicker,
 * then as {@link show} has it. Outside of a notebook nothing is drawn.
 *
 * @throws {PlotError} from `end`, when a figure cannot be drawn.
 */
export async function liveFigure(): Promise<LiveFigure> {
  if (!inNotebook()) return { update: () => undefined, end: () => Promise.resolve() };
  if (!scriptsShown) await initCharts();
  const display = displayLive({ 'text/plain': '' });
  let last: (() => ChartSpec) | undefined;
  let drawn = -Infinity;
  let drawing: Promise<unknown> = Promise.resolve();
  return {
    update: (draw) => {
      last = draw;
      if (performance.now() - drawn < REDRAW_MS) return;
      drawn = performance.now();
      const spec = draw();
      drawing = renderSvg(spec).then(
        (svg) => {
          display.update({ 'image/svg+xml': svg, 'text/plain': spec.description });
        },
        // The same figure is drawn at the end, where its error is heard.
        () => undefined,
      );
    },
    end: async () => {
      await drawing;
      if (last !== undefined) display.update(await bundleOf(last()));
    },
  };
}
