import type { SavedRun } from '../experiment/record/open-run.js';
import type { SavedSearch } from '../experiment/record/saved-search.js';
import type { SavedSweep } from '../experiment/record/saved-sweep.js';
import { savingsChart } from '../plots/figures/savings.js';
import { firingRatesChart } from '../plots/neurons/firing-rates.js';
import type { ChartSpec } from '../plots/parts/spec.js';
import type { PaperRecord } from '../plots/records.js';
import type { SensitivityRow, SensitivityTable } from '../search/sensitivity.js';
import { rateRecords } from './energy-figures.js';
import { lambdaFigure } from './lambda-figure.js';
import { predictorsFigure } from './predictors.js';
import { savingRecords } from './savings.js';
import {
  flipsFigure,
  hierarchyFigure,
  paretoFigure,
  sensitivityFigure,
  traceFigure,
  yardstickFigure,
  type FigureSubject,
} from './study-figures.js';

/** All figures that a run can give. */
export const FIGURES = [
  'pareto',
  'lambda',
  'trace',
  'hierarchy',
  'uniform',
  'sensitivity',
  'flips',
  'firing-rates',
  'predictors',
  'savings',
] as const;
export type FigureName = (typeof FIGURES)[number];

export interface RunFigureOptions {
  /** The paper's results, to lay a search's beside: `loadPaperResults()`. */
  readonly paper?: readonly PaperRecord[];
}

/**
 * The figures that a finished run can give, in the order of `FIGURES`; each is drawn when it is called
 * for. There is none of anything that the run has not measured.
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

/** The name of a run in a figure of several: "a1, spikegpt-mini-sst2". */
export function runLabel(run: SavedRun): string {
  const { name } = run.study.options.file;
  return run.kind === 'sweep' ? `sweep, ${name}` : `${run.settings.case ?? 'search'}, ${name}`;
}

type Drawn = () => ChartSpec;
type Figures = Map<FigureName, Drawn>;

function searchFigures(run: SavedSearch, { paper = [] }: RunFigureOptions): Figures {
  const { study, settings, space, selected, outcome, yardsticks } = run;
  const own = paper.filter(({ name }) => name === settings.case);
  const byScore = settings.score === undefined ? {} : { score: settings.score };
  const possible: Figures = new Map();
  if (outcome.trace.some(({ evaluation }) => isNumber(evaluation)))
    possible.set('pareto', () => paretoFigure(study, run, { paper: own, lambda: settings.lambda }));
  if (outcome.candidates.length > 0)
    possible.set('lambda', () =>
      lambdaFigure(study, [run], { lambda: settings.lambda, ...byScore }),
    );
  possible.set('trace', () => traceFigure(study, run));
  const plan = selected && space.planOf(selected.candidate.assignment);
  possible.set('hierarchy', () => hierarchyFigure(study.options.file, plan));
  if (yardsticks.some(({ kind, metric }) => kind === 'uniform' && Number.isFinite(metric)))
    possible.set('uniform', () => yardstickFigure(study, run, { paper }));
  return possible;
}

function isNumber(evaluation: SavedSearch['outcome']['trace'][number]['evaluation']): boolean {
  return Number.isFinite(evaluation.kind === 'exact' ? evaluation.metric : evaluation.bound);
}

function sweepFigures(run: SavedSweep): Figures {
  const { study } = run;
  const possible: Figures = new Map();
  possible.set('hierarchy', () => hierarchyFigure(study.options.file));
  const sensitivity = sensitivityOf(study, run);
  if (sensitivity !== undefined) possible.set('sensitivity', sensitivity);
  const flips = flipsOf(study, run);
  if (flips !== undefined) possible.set('flips', flips);
  const rates = ratesOf(study, run);
  if (rates !== undefined) possible.set('firing-rates', rates);
  const { predictors, table } = run;
  if (predictors) possible.set('predictors', () => predictorsFigure(study, table, predictors));
  return possible;
}

type Swept = Pick<SavedSweep, 'table' | 'space'>;

/** The sensitivities of a sweep's coarsest level; undefined where every plan broke the model. */
export function sensitivityOf(study: FigureSubject, { table, space }: Swept): Drawn | undefined {
  if (drawnRows(table).length === 0) return undefined;
  return () => sensitivityFigure(study, table, shownLevel(table), space.storedBits);
}

/** Spikes flipped against quality lost; undefined where no flips were observed. */
export function flipsOf(study: FigureSubject, { table, space }: Swept): Drawn | undefined {
  if (!drawnRows(table).some(({ extras }) => (extras?.flipRate ?? 0) > 0)) return undefined;
  return () => flipsFigure(study, table, shownLevel(table), space.storedBits);
}

/** Firing rates of the unquantized model; undefined where they were not observed. */
export function ratesOf(
  study: FigureSubject,
  { firingRates }: Pick<SavedSweep, 'firingRates'>,
): Drawn | undefined {
  if (firingRates === undefined || firingRates.size === 0) return undefined;
  return () => firingRatesChart(rateRecords(study, 'fp32', firingRates));
}

function drawnRows(table: SensitivityTable): readonly SensitivityRow[] {
  const level = shownLevel(table);
  return table.rows.filter((row) => row.level === level && Number.isFinite(row.metric));
}

/** Blocks where there are any: as many units as have room in a figure. */
export function shownLevel({ rows }: SensitivityTable): 'block' | 'module' | 'matrix' {
  const order = ['block', 'module', 'matrix'] as const;
  return order.find((level) => rows.some((row) => row.level === level)) ?? 'block';
}
