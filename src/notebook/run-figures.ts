import type { SavedRun } from '../experiment/open-run.js';
import type { SavedSearch } from '../experiment/saved-search.js';
import type { SavedSweep } from '../experiment/saved-sweep.js';
import type { PaperRecord } from '../plots/records.js';
import { savingsChart } from '../plots/savings.js';
import type { ChartSpec } from '../plots/spec.js';
import type { Level } from '../search/space.js';
import {
  flipsFigure,
  hierarchyFigure,
  paretoFigure,
  sensitivityFigure,
  traceFigure,
  yardstickFigure,
} from './figures.js';
import { savingRecords } from './savings.js';

/** All figures that a run can give. */
export const FIGURES = [
  'pareto',
  'trace',
  'hierarchy',
  'uniform',
  'sensitivity',
  'flips',
  'savings',
] as const;
export type FigureName = (typeof FIGURES)[number];

export interface RunFigureOptions {
  /** The paper's results, to lay a search's beside: `loadPaperResults()`. */
  readonly paper?: readonly PaperRecord[];
}

/**
 * The figures that a finished run can give, in the order of {@link FIGURES}; each is drawn when it is called
 * for. What a run has not measured it has no figure of.
 */
export function runFigures(
  run: SavedRun,
  options: RunFigureOptions = {},
): ReadonlyMap<FigureName, () => ChartSpec> {
  const possible = run.kind === 'search' ? searchFigures(run, options) : sweepFigures(run);
  const records = savingRecords(runLabel(run), run.report);
  if (records.length > 0) possible.set('savings', () => savingsChart(records));
  return possible;
}

/** What a run is called in a figure of several: "a1, spikegpt-mini-sst2". */
export function runLabel(run: SavedRun): string {
  const { name } = run.study.options.file;
  return run.kind === 'sweep' ? `sweep, ${name}` : `${run.settings.case ?? 'search'}, ${name}`;
}

type Figures = Map<FigureName, () => ChartSpec>;

function searchFigures(run: SavedSearch, { paper = [] }: RunFigureOptions): Figures {
  const { study, settings, space, selected, outcome, yardsticks } = run;
  const own = paper.filter(({ name }) => name === settings.case);
  const possible: Figures = new Map();
  if (outcome.trace.some(({ evaluation }) => isNumber(evaluation)))
    possible.set('pareto', () => paretoFigure(study, run, { paper: own, lambda: settings.lambda }));
  possible.set('trace', () => traceFigure(study, run));
  const plan = selected && space.planOf(selected.candidate.assignment);
  possible.set('hierarchy', () => hierarchyFigure(study.options.file, plan));
  if (yardsticks.some(({ kind, metric }) => kind === 'uniform' && Number.isFinite(metric)))
    possible.set('uniform', () => yardstickFigure(study, run));
  return possible;
}

function isNumber(evaluation: SavedSearch['outcome']['trace'][number]['evaluation']): boolean {
  return Number.isFinite(evaluation.kind === 'exact' ? evaluation.metric : evaluation.bound);
}

function sweepFigures({ study, table, space }: SavedSweep): Figures {
  const level = coarsest(table.rows.map((row) => row.level));
  const rows = table.rows.filter((row) => row.level === level);
  const possible: Figures = new Map();
  possible.set('hierarchy', () => hierarchyFigure(study.options.file));
  const drawn = rows.filter(({ metric }) => Number.isFinite(metric));
  if (drawn.length > 0)
    possible.set('sensitivity', () => sensitivityFigure(study, table, level, space.storedBits));
  if (drawn.some(({ extras }) => (extras?.flipRate ?? 0) > 0))
    possible.set('flips', () => flipsFigure(study, table, level, space.storedBits));
  return possible;
}

/** Blocks where there are any: as many units as have room in a figure. */
function coarsest(levels: readonly Level[]): Level {
  const order = ['block', 'module', 'matrix'] as const;
  return order.find((level) => levels.includes(level)) ?? 'block';
}
