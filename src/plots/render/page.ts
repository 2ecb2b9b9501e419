import type { ChartSpec } from '../parts/spec.js';
import { escapeHtml, escapeScript, svgImage } from './html.js';
import { PAGE_STYLE } from './page-style.js';
import { REACH } from './reach.js';

/**
 * The prebuilt browser scripts of vega, vega-lite and vega-embed as text. Reading them is left to the
 * caller (`src/figures/vega-bundle.ts`): a figure touches no file.
 */
export interface VegaBundle {
  readonly vega: string;
  readonly vegaLite: string;
  readonly vegaEmbed: string;
}

/**
 * Script elements that define `vega`, `vegaLite` and `vegaEmbed` in a page. Each is wrapped so that it
 * sees neither require.js's `define` nor a `module`: in the classic notebook it would else register
 * there and stay invisible.
 */
export function vegaScripts({ vega, vegaLite, vegaEmbed }: VegaBundle): string {
  return [vega, vegaLite, vegaEmbed]
    .map((source) => source.replace(/^\/\/# sourceMappingURL=.*$/gm, ''))
    .map((source) => `(function (define, module, exports) {\n${source}\n}).call(globalThis);`)
    .map((source) => `<script>${escapeScript(source)}</script>`)
    .join('\n');
}

/**
 * One figure as HTML: the static picture, and a script that puts the interactive figure in its place as
 * soon as `vegaEmbed` is there. Where scripts do not run, or fail, the picture stays.
 *
 * @param id unique in the page; letters, digits and hyphens.
 * @param svg the figure drawn by {@link renderSvg}.
 */
export function figureHtml(id: string, spec: ChartSpec, svg: string): string {
  const call = `embedFigure(${JSON.stringify(id)}, ${JSON.stringify(spec)});`;
  return [
    `<figure id="${id}">`,
    `<div class="static">${svgImage(svg, spec.description)}</div>`,
    '<div class="interactive" hidden></div>',
    `<script>${escapeScript(call)}</script>`,
    '</figure>',
  ].join('\n');
}

/**
 * Defines `embedFigure` for the page. The vega editor, a web site, is not offered: nothing may leave
 * the machine. A failure is reported on the console, and the picture stays.
 */
const EMBED_FIGURE = `<script>
${REACH}
function embedFigure(id, spec) {
  var figure = document.getElementById(id);
  var still = figure.querySelector('.static');
  var live = figure.querySelector('.interactive');
  live.hidden = false;
  var options = {
    renderer: 'svg',
    actions: { export: true, source: false, compiled: false, editor: false },
    downloadFileName: id,
  };
  window.vegaEmbed(live, spec, options).then(
    function (result) { figure.view = result.view; still.hidden = true; qslmReach(live); },
    function (error) { live.hidden = true; console.error(error); }
  );
}
</script>`;

/**
 * Nothing may be fetched: the browser is told so, and refuses. Vega compiles its expressions to
 * functions, which counts as eval.
 */
const CONTENT_POLICY =
  "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:";

/**
 * A page that opens offline.
 * @param body HTML.
 * @param bundle vega's scripts, inlined once; left out for a page without figures.
 */
export function pageHtml(title: string, body: string, bundle: VegaBundle | undefined): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${CONTENT_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${PAGE_STYLE}</style>
${bundle === undefined ? '' : `${vegaScripts(bundle)}\n${EMBED_FIGURE}`}
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}
