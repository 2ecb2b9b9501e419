/**
 * Makes exported HTML independent of the network: nbconvert loads require.js and MathJax from elsewhere,
 * and these notebooks need neither. The browser is told to fetch nothing, so that a reference that was
 * missed does no harm either. Vega compiles its expressions to functions, which counts as eval.
 */
export function withoutNetwork(html: string): string {
  const policy =
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; ' +
    "script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; " +
    'font-src data:">';
  return html
    .replace(/<script\b[^>]*\bsrc=[^>]*>\s*<\/script>/g, '')
    .replace(/<link\b[^>]*\bhref="?https?:[^>]*>/g, '')
    .replace('<head>', `<head>\n${policy}`);
}

/** Links from a notebook to its neighbours as links from page to page: in an export there are only pages. */
export function linkedPages(html: string): string {
  return html.replace(/(<a\b[^>]*\bhref="(?:\.\/)?\d\d-[\w-]+)\.ipynb(?=[#"])/g, '$1.html');
}
