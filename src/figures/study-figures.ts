import type { ModelSpace } from '../experiment/open/model-space.js';
import type { SearchSettings } from '../experiment/runs/search-settings.js';
import type { UniformPoint } from '../experiment/runs/uniform.js';
import type { YardstickPoint } from '../experiment/runs/yardsticks.js';
import { flipsChart } from '../plots/figures/flips.js';
import {
  limitsRecord,
  matrixRecords,
  sensitivityRecords,
  stepRecords,
  type StoredBits,
} from './records.js';
import { hierarchyChart } from '../plots/figures/hierarchy.js';
import { paretoChart } from '../plots/figures/pareto.js';
import type {
  BaselineRecord,
  PaperRecord,
  StepRecord,
  TaskName,
  UniformRecord,
} from '../plots/records.js';
import { sensitivityChart } from '../plots/figures/sensitivity.js';
import type { ChartSpec } from '../plots/parts/spec.js';
import type { DataNames } from '../plots/parts/task-view.js';
import { traceChart } from '../plots/figures/trace.js';
import { uniformChart } from '../plots/figures/uniform.js';
import type { Hierarchy } from '../layout/hierarchy.js';
import { resolvePlan, type Plan } from '../quant/plan.js';
import type { ExactEvaluation } from '../search/evaluation.js';
import type { SearchOutcome } from '../search/outcome.js';
import type { SensitivityTable } from '../search/sensitivity.js';
import type { Level } from '../search/space.js';
import type { Task } from '../tasks/task.js';

/*
 * Results of the experiments as figures, a call each. The figures themselves are in plots/, which takes
 * flat records and knows no experiment.
 */

/** What is asked of a model here: its name, for titles. */
interface Named {
  readonly name: string;
}

/** What titles call the data: the paper's names are for the paper's data alone. */
export function dataNames(task: Pick<Task, 'name' | 'title'>): DataNames {
  return { [task.name]: task.title };
}

export function taskName({ name }: Named): TaskName {
  return name as TaskName;
}

/** Uniform bit widths of a model on a task, as records; widths that broke the model are left out. */
export function uniformRecords(
  { name }: Named,
  task: Task,
  points: readonly UniformPoint[],
): UniformRecord[] {
  return points.flatMap(({ measurement, bits, bytes, saving }) => {
    if (measurement === undefined) return [];
    const { value: metric, interval } = measurement;
    const { low, high } = interval;
    return [{ task: taskName(task), model: name, bits, metric, low, high, bytes, saving }];
  });
}

/** Fig. 2 for one model and task. @throws {PlotError} as `uniformChart`. */
export function uniformFigure(
  model: Named,
  task: Task,
  points: readonly UniformPoint[],
): ChartSpec {
  return uniformChart(uniformRecords(model, task, points), dataNames(task));
}

/** Fig. 4 and 6: the hierarchy of a model, coloured by the bits of a plan where one is given. */
export function hierarchyFigure(
  { name, hierarchy }: Named & { readonly hierarchy: Hierarchy },
  plan?: Plan,
): ChartSpec {
  if (plan === undefined) return hierarchyChart(matrixRecords(hierarchy), name);
  const schemes = resolvePlan(plan, hierarchy);
  const byPath = new Map(
    hierarchy.blocks.flatMap(({ modules }) =>
      modules.flatMap(({ matrices }) =>
        matrices.map((matrix) => [matrix.path, schemes.get(matrix.name)!.bits] as const),
      ),
    ),
  );
  return hierarchyChart(
    matrixRecords(hierarchy, (path) => byPath.get(path)!),
    name,
  );
}

/** A study as its figures see it: a `Study`, or a `SavedStudy`. */
export interface FigureSubject {
  readonly task: Pick<Task, 'name' | 'title'>;
  readonly options: { readonly file: Named };
}

function baselineRecord(
  { task, options }: FigureSubject,
  { metric, extras }: ExactEvaluation,
  bytes: number,
): BaselineRecord {
  const { low = metric, high = metric } = extras ?? {};
  return { task: taskName(task), model: options.file.name, metric, low, high, bytes };
}

/**
 * Fig. 7: each block, module or matrix quantized alone.
 *
 * @param storedBits of the space swept, where a width is not always what is stored.
 * @throws {PlotError} as `sensitivityChart`.
 */
export function sensitivityFigure(
  study: FigureSubject,
  table: SensitivityTable,
  level: Level = 'block',
  storedBits?: StoredBits,
): ChartSpec {
  return sensitivityChart(...sensitivityInput(study, table, level, storedBits));
}

/** Spikes flipped against quality lost, where the sweep looked inside. @throws as `flipsChart`. */
export function flipsFigure(
  study: FigureSubject,
  table: SensitivityTable,
  level: Level = 'block',
  storedBits?: StoredBits,
): ChartSpec {
  return flipsChart(...sensitivityInput(study, table, level, storedBits));
}

/** What both figures of a sweep are drawn from. */
function sensitivityInput(
  study: FigureSubject,
  table: SensitivityTable,
  level: Level,
  storedBits: StoredBits | undefined,
): Parameters<typeof sensitivityChart> {
  const { task, options } = study;
  const origin = {
    task: taskName(task),
    model: options.file.name,
    ...(storedBits && { storedBits }),
  };
  const baseline = baselineRecord(study, table.baseline, table.fp32Bytes);
  return [sensitivityRecords(table, level, origin), [baseline], dataNames(task)];
}

/** What of a search its figures are drawn from: a `SearchRun`, or what a cell has put together. */
export interface DrawnSearch {
  readonly outcome: Pick<SearchOutcome, 'trace' | 'baseline' | 'fp32Bytes' | 'limits'>;
  readonly space: Pick<ModelSpace, 'units'> & Partial<Pick<ModelSpace, 'storedBits'>>;
  /** For the title. */
  readonly settings?: Pick<SearchSettings, 'case'>;
  /** Uniform plans to lay beside. */
  readonly yardsticks?: readonly YardstickPoint[];
}

/** The plans that a search tried, as records. */
export function searchRecords({ task, options }: FigureSubject, run: DrawnSearch): StepRecord[] {
  return stepRecords(run.outcome.trace, run.space.units, {
    task: taskName(task),
    model: options.file.name,
    ...(run.space.storedBits && { storedBits: run.space.storedBits }),
  });
}

export interface ParetoFigureOptions {
  /** The paper's results, to lay ours beside: `loadPaperResults()`. */
  readonly paper?: readonly PaperRecord[];
  /** Where the slider starts; 0.5 by default. */
  readonly lambda?: number;
}

/**
 * Fig. 9: what a search tried, the Pareto front, the limits and the plan that λ selects, with sliders.
 *
 * @throws {PlotError} as `paretoChart`.
 */
export function paretoFigure(
  study: FigureSubject,
  run: DrawnSearch,
  { paper, lambda }: ParetoFigureOptions = {},
): ChartSpec {
  const { outcome, settings } = run;
  const { baseline, fp32Bytes, limits } = outcome;
  return paretoChart(
    {
      steps: searchRecords(study, run),
      baseline: baselineRecord(study, baseline, fp32Bytes),
      limits: limitsRecord(limits),
      uniform: uniformYardsticks(study, run),
      ...(paper && { paper }),
      ...(lambda !== undefined && { lambda }),
      ...(settings?.case && { name: settings.case }),
    },
    dataNames(study.task),
  );
}

/** The plans of one width that a search was held against; those that broke the model are left out. */
function uniformYardsticks(
  { task, options }: FigureSubject,
  { outcome: { fp32Bytes }, yardsticks = [] }: DrawnSearch,
): UniformRecord[] {
  return yardsticks
    .filter(({ kind, metric }) => kind === 'uniform' && Number.isFinite(metric))
    .map(({ bits, metric, low = metric, high = metric, bytes }) => ({
      task: taskName(task),
      model: options.file.name,
      // A unit that is stored by its sign has one bit at any width.
      bits: Math.max(...Object.values(bits)),
      metric,
      low,
      high,
      bytes,
      saving: 1 - bytes / fp32Bytes,
    }));
}

/** Fig. 2 from the uniform plans that a search was held against. @throws as `uniformChart`. */
export function yardstickFigure(study: FigureSubject, run: DrawnSearch): ChartSpec {
  const { baseline, fp32Bytes } = run.outcome;
  const fp32 = { ...baselineRecord(study, baseline, fp32Bytes), bits: 32, saving: 0 };
  return uniformChart([fp32, ...uniformYardsticks(study, run)], dataNames(study.task));
}

/** The search step by step, with a slider. @throws {PlotError} as `traceChart`. */
export function traceFigure(study: FigureSubject, run: DrawnSearch): ChartSpec {
  const { outcome, settings } = run;
  return traceChart(
    {
      steps: searchRecords(study, run),
      baseline: baselineRecord(study, outcome.baseline, outcome.fp32Bytes),
      limits: limitsRecord(outcome.limits),
      ...(settings?.case && { name: settings.case }),
    },
    dataNames(study.task),
  );
}
