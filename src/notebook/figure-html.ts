import type { ChartSpec } from '../plots/parts/spec.js';
import { escapeScript, svgImage } from '../plots/render/html.js';
import { vegaScripts, type VegaBundle } from '../plots/render/page.js';
import { REACH } from '../plots/render/reach.js';

/** Fired on the window once vega's scripts are there: front ends fill in outputs in any order. */
const READY = 'qslm-charts';

const STYLE = `
.qslm-figure .static img, .qslm-figure .interactive svg.marks { max-width: 100%; height: auto; }
.qslm-figure .vega-embed { max-width: 100%; box-sizing: border-box; }
.qslm-figure .interactive { position: relative; overflow-x: auto; }
.qslm-figure .vega-bindings { font-size: 13px; margin: 8px 0 0 8px; }
.qslm-figure .vega-bind { margin: 4px 0; }
.qslm-figure .vega-bind label { display: flex; align-items: center; gap: 8px; font-weight: normal; }
.qslm-figure .vega-bind-name { min-width: 200px; }
.qslm-figure .vega-bind input[type=range] { width: 240px; max-width: 100%; }
.qslm-figure .vega-bind select { max-width: 100%; }
`;

/**
 * Vega's scripts and all else that the figures of a notebook need, as one HTML output: it makes every figure
 * of the page interactive, also those shown before it. Needs no network.
 */
export function chartScriptsHtml(bundle: VegaBundle): string {
  const announce = `${REACH} window.qslmReach = qslmReach; window.qslmEmbed = window.vegaEmbed; window.dispatchEvent(new Event('${READY}'));`;
  return `<style>${STYLE}</style>\n${vegaScripts(bundle)}\n<script>${announce}</script>`;
}

/**
 * Puts the interactive figure in the place of the picture. A failure is reported on the console, and the
 * picture stays. The vega editor, a web site, is not offered.
 */
const EMBED = `(function (id, spec) {
  function embed() {
    var figure = document.getElementById(id);
    if (!figure) return;
    var still = figure.querySelector('.static'), live = figure.querySelector('.interactive');
    live.hidden = false;
    window.qslmEmbed(live, spec, {
      renderer: 'svg',
      actions: { export: true, source: false, compiled: false, editor: false }
    }).then(
      function (result) { figure.view = result.view; still.hidden = true; window.qslmReach(live); },
      function (error) { live.hidden = true; console.error(error); }
    );
  }
  if (window.qslmEmbed) embed();
  else window.addEventListener('${READY}', embed, { once: true });
})`;

/**
 * A figure as an HTML output: the static picture, and a script that makes it interactive as soon as
 * {@link chartScriptsHtml} is in the page. Where no script may run the picture stays.
 *
 * @param id unique in the notebook.
 * @param svg the figure drawn by `renderSvg`.
 */
export function figureOutputHtml(id: string, spec: ChartSpec, svg: string): string {
  const call = `${EMBED}(${JSON.stringify(id)}, ${JSON.stringify(spec)});`;
  return [
    `<div class="qslm-figure" id="${id}">`,
    `<div class="static">${svgImage(svg, spec.description)}</div>`,
    '<div class="interactive" hidden></div>',
    `<script>${escapeScript(call)}</script>`,
    '</div>',
  ].join('\n');
}
