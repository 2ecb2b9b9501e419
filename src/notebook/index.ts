/** What a notebook's cell calls, beside the rest of the public list: results shown, and made figures. */
export { describeError } from './errors.js';
export { inNotebook } from './display.js';
export {
  energyChangeFigure,
  energyFigure,
  energyRecords,
  operationsFigure,
  type EnergySetting,
} from '../figures/energy-figures.js';
export {
  flipsFigure,
  hierarchyFigure,
  paretoFigure,
  searchRecords,
  sensitivityFigure,
  traceFigure,
  uniformFigure,
  uniformRecords,
  yardstickFigure,
  type FigureSubject,
  type ParetoFigureOptions,
  type SearchResult,
} from '../figures/study-figures.js';
export { measurementFrame, planFrame, stepFrame, toDataFrame } from './frames.js';
export { openRun, type SavedRun } from '../experiment/record/open-run.js';
export {
  FIGURES,
  runFigures,
  type FigureName,
  type RunFigureOptions,
} from '../figures/run-figures.js';
export { loadLandscape, loadPaperPower, loadPaperResults } from '../figures/paper-data.js';
export { progress } from './progress.js';
export { initCharts, show } from './show.js';
export { table, type TableOptions } from './table.js';
