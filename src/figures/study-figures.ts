import type { ModelSpace } from '../experiment/open/model-space.js';
import { paceRemark, type SearchSettings } from '../experiment/runs/search-settings.js';
import type { UniformPoint } from '../experiment/runs/uniform.js';
import type { YardstickPoint } from '../experiment/runs/yardsticks.js';
import {
  ENERGY_WORDS,
  energyTerm,
  type EnergyObjective,
} from '../experiment/selection/energy-objective.js';
import { matricesOf, type Hierarchy } from '../layout/hierarchy.js';
import { flipsChart } from '../plots/figures/flips.js';
import { hierarchyChart } from '../plots/figures/hierarchy.js';
import { paretoChart } from '../plots/figures/pareto.js';
import { sensitivityChart } from '../plots/figures/sensitivity.js';
import { traceChart, type TraceInput } from '../plots/figures/trace.js';
import { uniformChart, type UniformOptions } from '../plots/figures/uniform.js';
import type { ChartSpec } from '../plots/parts/spec.js';
import type { DataNames } from '../plots/parts/task-view.js';
import type {
  BaselineRecord,
  PaperRecord,
  StepRecord,
  TaskName,
  UniformRecord,
} from '../plots/records.js';
import { resolvePlan, type Plan } from '../quant/plan.js';
import { UNQUANTIZED_BITS } from '../quant/scheme/scheme.js';
import type { Differences } from '../search/differences.js';
import type { ExactEvaluation } from '../search/evaluation.js';
import type { SearchOutcome } from '../search/outcome.js';
import type { ScoreName } from '../search/score.js';
import type { SensitivityTable } from '../search/sensitivity.js';
import type { Level } from '../search/space.js';
import type { Ties } from '../search/ties.js';
import { pairedRange } from '../tasks/metrics/paired.js';
import type { Task } from '../tasks/task.js';
import {
  limitsRecord,
  matrixRecords,
  sensitivityRecords,
  stepRecords,
  type StoredBits,
} from './records.js';
import { searchName } from './search-name.js';

/*
 * Results of the experiments as figures, a call each. The figures themselves are in plots/, which takes
 * flat records and knows no experiment.
 */

/** A model as far as it is asked for here: its name, for titles. */
interface Named {
  readonly name: string;
}

/** The name of the data in titles: the paper's names are for the paper's data alone. */
export function dataNames(task: Pick<Task, 'name' | 'title'>): DataNames {
  return { [task.name]: task.title };
}

function taskName({ name }: Named): TaskName {
  return name as TaskName;
}

/** Uniform bit widths of a model on a task, as records; widths that broke the model are left out. */
export function uniformRecords(
  { name }: Named,
  task: Task,
  points: readonly UniformPoint[],
): UniformRecord[] {
  const baseline = points.find(({ bits }) => bits === UNQUANTIZED_BITS)?.measurement;
  return points.flatMap(({ measurement, bits, bytes, saving }) => {
    if (measurement === undefined) return [];
    const { value: metric, interval } = measurement;
    const { low, high } = interval;
    const paired =
      baseline && measurement !== baseline ? pairedRange(baseline, measurement) : undefined;
    return [
      { task: taskName(task), model: name, bits, metric, low, high, bytes, saving, ...paired },
    ];
  });
}

/** Fig. 2 for one model and task. @throws {PlotError} as `uniformChart`. */
export function uniformFigure(
  model: Named,
  task: Task,
  points: readonly UniformPoint[],
  options: UniformOptions = {},
): ChartSpec {
  return uniformChart(uniformRecords(model, task, points), dataNames(task), options);
}

/** Fig. 4 and 6: the hierarchy of a model, coloured by the bits of a plan where one is given. */
export function hierarchyFigure(
  { name, hierarchy }: Named & { readonly hierarchy: Hierarchy },
  plan?: Plan,
): ChartSpec {
  if (plan === undefined) return hierarchyChart(matrixRecords(hierarchy), name);
  const schemes = resolvePlan(plan, hierarchy);
  const byPath = new Map(
    matricesOf(hierarchy).map((matrix) => [matrix.path, schemes.get(matrix.name)!.bits]),
  );
  const records = matrixRecords(hierarchy, (path) => byPath.get(path)!);
  return hierarchyChart(records, name);
}

/** A study as its figures see it: a `Study`, or a `SavedStudy`. */
export interface FigureSubject {
  readonly task: Pick<Task, 'name' | 'title'>;
  readonly options: { readonly file: Named };
}

/** Task and model, as all records name them. */
export function subjectOf({ task, options }: FigureSubject): { task: TaskName; model: string } {
  return { task: taskName(task), model: options.file.name };
}

export function baselineRecord(
  study: FigureSubject,
  { metric, extras }: ExactEvaluation,
  bytes: number,
): BaselineRecord {
  const { low = metric, high = metric } = extras ?? {};
  return { ...subjectOf(study), metric, low, high, bytes };
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

/** Records, baseline and names for either figure of a sweep. */
function sensitivityInput(
  study: FigureSubject,
  table: SensitivityTable,
  level: Level,
  storedBits: StoredBits | undefined,
): Parameters<typeof sensitivityChart> {
  const origin = { ...subjectOf(study), ...(storedBits && { storedBits }) };
  const baseline = baselineRecord(study, table.baseline, table.fp32Bytes);
  return [sensitivityRecords(table, level, origin), [baseline], dataNames(study.task)];
}

/** A search as its figures see it: a `SearchRun`, or parts that a cell has put together. */
export interface DrawnSearch {
  readonly outcome: Pick<SearchOutcome, 'trace' | 'baseline' | 'fp32Bytes' | 'limits'>;
  readonly space: Pick<ModelSpace, 'units'> & Partial<Pick<ModelSpace, 'storedBits'>>;
  /** For title, remark, and the start of switch and slider. */
  readonly settings?: Pick<SearchSettings, 'case' | 'energyWeight'> &
    Partial<Pick<SearchSettings, 'method' | 'pace' | 'quantizer' | 'score' | 'tie' | 'lambda'>>;
  /** The modelled energy of its plans. */
  readonly energy?: EnergyObjective;
  /** Candidates that the data cannot tell apart. */
  readonly ties?: Ties;
  /** Plans compared item by item. */
  readonly differences?: Differences;
  /** Uniform plans to lay beside. */
  readonly yardsticks?: readonly YardstickPoint[];
}

/** The plans that a search tried, as records. */
export function searchRecords(
  study: FigureSubject,
  run: DrawnSearch,
  weight = run.settings?.energyWeight,
): StepRecord[] {
  const { outcome, space, ties, differences, energy } = run;
  const { units, storedBits } = space;
  const weighed = energyTerm(weight, energy) !== undefined;
  return stepRecords(outcome.trace, units, {
    ...subjectOf(study),
    ...(storedBits && { storedBits }),
    ties,
    differences,
    ...(weighed && { energyOf: energy?.of }),
  });
}

/** The input that both figures of a search have in common. */
function searchInput(study: FigureSubject, run: DrawnSearch, energyWeight?: number): TraceInput {
  const { baseline, fp32Bytes, limits } = run.outcome;
  return {
    steps: searchRecords(study, run, energyWeight),
    baseline: baselineRecord(study, baseline, fp32Bytes),
    limits: limitsRecord(limits),
    ...(run.settings?.case && { name: run.settings.case }),
  };
}

export interface ParetoFigureOptions {
  /** The paper's results, to lay ours beside: `loadPaperResults()`. */
  readonly paper?: readonly PaperRecord[];
  /** Start of the slider; the run's own λ by default, else 0.5. */
  readonly lambda?: number;
  /** Start of the switch; the run's own score by default. */
  readonly score?: ScoreName;
  /**
   * Start of the slider of modelled energy's weight, with which a panel of quality against that energy is
   * drawn; the run's own weight by default, and neither where that is 0.
   */
  readonly energyWeight?: number;
}

/**
 * Fig. 9: the plans tried, the Pareto front, the limits and the plan that λ selects, with sliders.
 *
 * @param runs one search, or several of the same model and data: the others are drawn beside the first, which
 *   is the one selected from.
 *
 * @throws {PlotError} as `paretoChart`.
 */
export function paretoFigure(
  study: FigureSubject,
  runs: DrawnSearch | readonly [DrawnSearch, ...DrawnSearch[]],
  options: ParetoFigureOptions = {},
): ChartSpec {
  const [run, ...others] = 'outcome' in runs ? [runs] : runs;
  const { paper, lambda = run.settings?.lambda, score = run.settings?.score } = options;
  const { tie, method, pace } = run.settings ?? {};
  const remark = method && pace && paceRemark({ method, pace });
  const { energyWeight = run.settings?.energyWeight } = options;
  const energy = energyTerm(energyWeight, run.energy);
  const input = {
    ...searchInput(study, run, energyWeight),
    ...(energy && { energy: { ...energy, counted: ENERGY_WORDS } }),
    uniform: uniformYardsticks(study, run),
    ...(others.length > 0 && {
      others: others.map((other, index) => ({
        name: `${searchName(other.settings, run.settings)} (${index + 2})`,
        steps: searchRecords(study, other, energyWeight),
      })),
    }),
    ...(paper && { paper }),
    ...(lambda !== undefined && { lambda }),
    ...(score && { score }),
    ...(tie && { tie }),
    ...(remark && { remark }),
  };
  return paretoChart(input, dataNames(study.task));
}

/** The plans of one width that a search was held against; those that broke the model are left out. */
function uniformYardsticks(study: FigureSubject, run: DrawnSearch): UniformRecord[] {
  return (run.yardsticks ?? [])
    .filter(({ kind, metric }) => kind === 'uniform' && Number.isFinite(metric))
    .map(({ bits, metric, low = metric, high = metric, bytes, pairedLow, pairedHigh }) => ({
      ...subjectOf(study),
      // A unit that is stored by its sign has one bit at any width.
      bits: Math.max(...Object.values(bits)),
      ...{ metric, low, high, bytes, saving: 1 - bytes / run.outcome.fp32Bytes },
      ...(pairedLow !== undefined && { pairedLow }),
      ...(pairedHigh !== undefined && { pairedHigh }),
    }));
}

/** Fig. 2 from the uniform plans that a search was held against. @throws as `uniformChart`. */
export function yardstickFigure(
  study: FigureSubject,
  run: DrawnSearch,
  options: UniformOptions = {},
): ChartSpec {
  const { baseline, fp32Bytes } = run.outcome;
  const fp32 = { ...baselineRecord(study, baseline, fp32Bytes), bits: 32, saving: 0 };
  return uniformChart([fp32, ...uniformYardsticks(study, run)], dataNames(study.task), options);
}

/** The search step by step, with a slider. @throws {PlotError} as `traceChart`. */
export function traceFigure(study: FigureSubject, run: DrawnSearch): ChartSpec {
  return traceChart(searchInput(study, run), dataNames(study.task));
}
