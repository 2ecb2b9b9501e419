import { CHART_WIDTH } from '../parts/theme.js';

/**
 * Style of pages: readable on a screen and on paper, one column as wide as a notebook. Figures shrink to
 * what a notebook shows of them, or to the window where that is narrower.
 */
export const PAGE_STYLE = `
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #222;
  font: 16px/1.5 "Liberation Sans", Arial, Helvetica, sans-serif; }
main { max-width: 740px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 8px; }
h2 { font-size: 20px; margin: 40px 0 8px; }
.date { color: #595959; margin: 0 0 16px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; font-size: 14px; }
dt { color: #595959; }
dd { margin: 0; overflow-wrap: anywhere; }
nav ol { padding-left: 20px; font-size: 14px; }
a { color: #005a8c; }
figure { margin: 16px 0; }
figure .static img, figure .interactive svg.marks {
  max-width: min(100%, ${CHART_WIDTH}px); height: auto; }
figure .interactive { overflow-x: auto; position: relative; width: 100%; }
figure .vega-embed { max-width: 100%; box-sizing: border-box; }
figure .interactive[hidden], figure .static[hidden] { display: none; }
figure .vega-bindings { font-size: 14px; margin: 8px 0 0 8px; }
figure .vega-bind { margin: 4px 0; }
figure .vega-bind label { display: flex; align-items: center; gap: 8px; flex-wrap: wrap; }
figure .vega-bind-name { min-width: 210px; }
figure .vega-bind input[type=range] { width: 260px; max-width: 100%; }
figure .vega-bind select { max-width: 100%; }
.table { overflow-x: auto; margin: 16px 0; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #595959; padding-bottom: 4px; }
th, td { padding: 3px 12px 3px 0; text-align: left; border-bottom: 1px solid #e3e3e3;
  white-space: nowrap; font-weight: normal; }
thead th { border-bottom: 2px solid #8a8a8a; }
.wraps th, .wraps td { white-space: normal; overflow-wrap: anywhere; vertical-align: top; }
.wraps th[scope=row] { min-width: 140px; }
.number { text-align: right; }
@page { margin: 14mm; }
@media print {
  main { max-width: none; padding: 0; }
  nav, figure details, figure .vega-bindings { display: none !important; }
  h1, h2, section p, caption, thead { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  figure svg, figure .static img { max-width: 100%; max-height: 250mm; height: auto; }
  table { font-size: 11px; }
  th, td { white-space: normal; padding-right: 8px; }
  .table, figure .interactive { overflow: visible; }
}
`;
