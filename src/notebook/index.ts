/** What a notebook's cell calls to show results, and the records that its figures are drawn from. */
export { inNotebook } from './display.js';
export { measurementFrame, planFrame, stepFrame, toDataFrame } from './frames.js';
export { loadLandscape, loadPaperResults } from './paper-data.js';
export { progress } from './progress.js';
export { initCharts, show } from './show.js';
export { table, type TableOptions } from './table.js';
