import { randomUUID } from 'node:crypto';
import { loadVegaBundle } from '../figures/vega-bundle.js';
import { asVersion5, type ChartSpec } from '../plots/parts/spec.js';
import { renderSvg } from '../plots/render/headless.js';
import { pngOf } from '../plots/render/png.js';
import { displayBundle, inNotebook } from './display.js';
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
  const svg = await renderSvg(spec);
  if (!scriptsShown) await initCharts();
  displayBundle({
    [VEGA_LITE_MIME]: asVersion5(spec),
    'text/html': figureOutputHtml(`qslm-${randomUUID()}`, spec, svg),
    'image/svg+xml': svg,
    'image/png': Buffer.from(await pngOf(spec, svg)).toString('base64'),
    'text/plain': spec.description,
  });
}
