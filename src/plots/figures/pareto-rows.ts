import { paretoFront } from '../../search/pareto.js';
import type { EnergyTerm, ScoreName } from '../../search/score.js';
import type { TieRule } from '../../search/ties.js';
import type { MetricName } from '../../tasks/metrics/metrics.js';
import { PlotError } from '../../util/errors.js';
import { BYTES_PER_MB } from '../../util/format.js';
import { widthText } from '../parts/blocks.js';
import { drawnInterval } from '../parts/interval-bars.js';
import { COMPARED, type PinnedRow } from '../parts/pinned.js';
import { cellsOf } from '../parts/strip.js';
import type { TaskView } from '../parts/task-view.js';
import type {
  BaselineRecord,
  LimitsRecord,
  PaperRecord,
  StepRecord,
  UniformRecord,
} from '../records.js';

/** The input of Fig. 9. */
export interface ParetoInput {
  /** All plans that were tried, of one task and model, in order. */
  readonly steps: readonly StepRecord[];
  readonly baseline: BaselineRecord;
  readonly limits: LimitsRecord;
  readonly uniform?: readonly UniformRecord[];
  readonly paper?: readonly PaperRecord[];
  /** Start of the slider; 0.5 by default. */
  readonly lambda?: number;
  /** Start of the switch; the paper's by default. */
  readonly score?: ScoreName;
  /** Start of the box, where the steps know their ties; `none` by default. */
  readonly tie?: TieRule;
  /** Where modelled energy is a third objective: the start of its weight, and a second panel. */
  readonly energy?: DrawnEnergy;
  /** A further line below the title. */
  readonly remark?: string;
  /** Name of the case, for the title: 'a1'. */
  readonly name?: string;
  /** Further searches of the same model and data, drawn beside: their plans and their front. */
  readonly others?: readonly OtherSearch[];
}

/** Modelled energy as an objective that is drawn. */
export interface DrawnEnergy extends EnergyTerm {
  /** The words for its way of counting, "modelled" among them. */
  readonly counted: string;
}

/** A search that is laid beside another. */
export interface OtherSearch {
  /** For the legend, unlike any other there: 'knapsack'. */
  readonly name: string;
  readonly steps: readonly StepRecord[];
}

/** A point of the plot. Texts are made here, so that a tooltip shows no empty values. */
export interface ParetoRow extends PinnedRow {
  readonly series: string;
  readonly step: number;
  readonly plan: string;
  readonly metric: number;
  /** 95 % interval, of the difference to fp32 where it is known; null where there is none. */
  readonly low: number | null;
  readonly high: number | null;
  /** The metric is a bound. */
  readonly bound: boolean;
  /** The search that it is of: 0 is the one selected from. */
  readonly run: number;
  readonly mb: number;
  readonly bytes: number;
  readonly selectable: boolean;
  readonly front: boolean;
  readonly metricText: string;
  readonly memoryText: string;
  readonly note: string;
  readonly cells: readonly object[];
  /** Steps that this plan ties with as the smaller. */
  readonly tieOf: readonly number[];
  /** Written beside the point; empty for none. */
  readonly label: string;
  /** Modelled energy in microjoules a token, where it is an objective; null where it is not known. */
  readonly energy?: number | null;
  readonly energyText?: string;
}

type Place = Pick<ParetoRow, 'bytes' | 'mb' | 'memoryText'>;

const STAGES = {
  global: 'global tier',
  block: 'block tier',
  module: 'module tier',
  knapsack: 'knapsack',
  swap: 'swaps',
} as const;

/** Names of the stages of a search, as series. */
export const STAGE_NAMES: Readonly<Record<StepRecord['stage'], string>> = STAGES;

/** Names of the series that are no stage of a search. */
export const SERIES = { uniform: 'uniform', paper: 'paper', fp32: 'fp32' } as const;

/** @throws {PlotError} when there are no steps, or steps of another task or model than the baseline's. */
export function paretoRows(input: ParetoInput, view: TaskView): ParetoRow[] {
  const { baseline, uniform = [], paper = [] } = input;
  for (const each of [input, ...(input.others ?? [])]) checkSteps(each.steps, baseline);
  // A plan that broke the model has no place on the axis; the chart says how many there are.
  const steps = input.steps.filter(({ metric }) => Number.isFinite(metric));
  const front = frontOf(steps, view);
  const energies = (energy: number | undefined): Pick<ParetoRow, 'energy' | 'energyText'> =>
    input.energy === undefined ? {} : energyCells(energy, input.energy);
  const common = {
    ...energies(undefined),
    step: steps.length,
    low: null,
    high: null,
    bound: false,
    run: 0,
    selectable: false,
    front: false,
    cells: [],
    tieOf: [],
    label: '',
    compared: COMPARED.apart,
    paired: false,
  } as const;
  const place = (bytes: number): Place => {
    const [mb, saving] = [bytes / BYTES_PER_MB, 1 - bytes / baseline.bytes];
    const change = (-100 * saving).toFixed(1).replace('-', '−');
    return { bytes, mb, memoryText: `${mb.toFixed(2)} MB (${change} %)` };
  };
  return [
    ...steps.map((record) => ({
      ...place(record.bytes),
      ...energies(record.energy),
      series: STAGES[record.stage],
      step: record.step,
      plan: stepText(record),
      metric: record.metric,
      ...ends(record),
      compared: record.exact ? COMPARED.step : COMPARED.memory,
      bound: !record.exact,
      run: 0,
      selectable: record.exact,
      front: front.has(record),
      metricText: measuredText(record, view),
      note: record.reason,
      cells: cellsOf(record),
      tieOf: steps.filter(({ ties }) => ties?.includes(record.step)).map(({ step }) => step),
      label: '',
    })),
    ...otherRows(input, view, common, place, energies),
    ...uniform
      .filter((record) => record.task === baseline.task && record.bits < 32)
      .map((record) => ({
        ...common,
        ...place(record.bytes),
        series: SERIES.uniform,
        plan: `uniform ${record.bits} bits`,
        metric: record.metric,
        metricText: measuredText({ ...record, exact: true }, view),
        note: 'for comparison',
      })),
    {
      ...common,
      ...place(baseline.bytes),
      ...energies(input.energy?.unquantized),
      series: SERIES.fp32,
      plan: 'unquantized',
      compared: COMPARED.fp32,
      metric: baseline.metric,
      metricText: measuredText({ ...baseline, exact: true }, view),
      note: 'the baseline',
    },
    ...paper
      .filter((record) => record.task === baseline.task)
      .map((record) => ({
        ...common,
        // The paper's model is another one: its changes are carried over to this baseline.
        ...place((1 - record.saving) * baseline.bytes),
        series: SERIES.paper,
        plan: `paper, case ${record.name}`,
        compared: COMPARED.memory,
        metric: baseline.metric + (record.metric - record.baseline),
        metricText: `${view.metric.format(record.metric)} from ${view.metric.format(record.baseline)}`,
        note: 'SpikeGPT-216M, as a change from its own baseline',
        label: paperLabel(record, paper),
      })),
  ];
}

function ends(record: StepRecord): Pick<ParetoRow, 'low' | 'high' | 'paired'> {
  const [low, high] = drawnInterval(record) ?? [null, null];
  return { low, high, paired: record.pairedLow !== undefined };
}

/** The names of all cases that lie where this one does, on the first of them. */
function paperLabel(record: PaperRecord, paper: readonly PaperRecord[]): string {
  const here = paper.filter(
    ({ task, metric, saving }) =>
      task === record.task && metric === record.metric && saving === record.saving,
  );
  return here[0] === record ? here.map(({ name }) => name).join(', ') : '';
}

/** The plans of the searches beside, which are pointed at and pinned, not selected. */
function otherRows(
  { others = [] }: ParetoInput,
  view: TaskView,
  common: Omit<
    ParetoRow,
    keyof Place | 'series' | 'plan' | 'metric' | 'front' | 'metricText' | 'note' | 'cells'
  >,
  place: (bytes: number) => Place,
  energies: (energy: number | undefined) => Pick<ParetoRow, 'energy' | 'energyText'>,
): ParetoRow[] {
  return others.flatMap(({ name, steps }, index) => {
    const drawn = steps.filter(({ metric }) => Number.isFinite(metric));
    const front = frontOf(drawn, view);
    return drawn.map((record) => ({
      ...common,
      ...place(record.bytes),
      ...energies(record.energy),
      ...ends(record),
      series: name,
      // Apart from the steps of the search selected from.
      step: common.step + 1 + record.step,
      plan: `${name}, ${stepText(record)}`,
      metric: record.metric,
      compared: record.exact ? COMPARED.apart : COMPARED.memory,
      bound: !record.exact,
      run: index + 1,
      front: front.has(record),
      metricText: measuredText(record, view),
      note: record.reason,
      cells: cellsOf(record),
    }));
  });
}

function checkSteps(steps: readonly StepRecord[], { task, model }: BaselineRecord): void {
  if (steps.length === 0)
    throw new PlotError({ what: 'no plan to draw', where: 'pareto chart', got: '0 steps' });
  const stranger = steps.find((step) => step.task !== task || step.model !== model);
  if (stranger !== undefined)
    throw new PlotError({
      what: 'steps and baseline do not belong together',
      where: `pareto chart, step ${stranger.step}`,
      got: `${stranger.task} on ${stranger.model}`,
      expected: `${task} on ${model}`,
    });
}

function energyCells(
  energy: number | undefined,
  { unquantized }: DrawnEnergy,
): Pick<ParetoRow, 'energy' | 'energyText'> {
  if (energy === undefined) return { energy: null, energyText: 'not modelled' };
  const change = (100 * (energy / unquantized - 1)).toFixed(1).replace('-', '−');
  return { energy, energyText: `modelled ${energy.toPrecision(4)} µJ/token (${change} %)` };
}

/**
 * Steps that no other beats in both metric and memory, and where they know it in modelled energy. Only those
 * measured to the end count.
 */
function frontOf(steps: readonly StepRecord[], view: TaskView): ReadonlySet<StepRecord> {
  if (steps.some(({ energy }) => energy !== undefined))
    return new Set(
      paretoFront(
        steps.filter(({ exact }) => exact),
        view.metric.name as MetricName,
      ),
    );
  const sign = view.higher ? 1 : -1;
  const front = new Set<StepRecord>();
  let best = -Infinity;
  const sorted = steps
    .filter((step) => step.exact)
    .sort((a, b) => a.bytes - b.bytes || sign * (b.metric - a.metric));
  for (const step of sorted) {
    if (sign * step.metric <= best) continue;
    best = sign * step.metric;
    front.add(step);
  }
  return front;
}

/** "step 12, attention.3 at 4 bits"; of a sign "step 7, input at 16 bits (stored: 1)". */
export function stepText({ step, unit, bits, stored }: StepRecord): string {
  return `step ${step}, ${unit}${bits === undefined ? '' : ` at ${widthText(bits, stored)}`}`;
}

type Measured = Pick<
  StepRecord,
  'metric' | 'exact' | 'sample' | 'low' | 'high' | 'pairedLow' | 'pairedHigh'
> &
  Partial<Pick<StepRecord, 'accepted'>>;

/** The meaning of open marks: bounds, and estimates where samples decided. */
export function openText(steps: readonly StepRecord[]): string {
  return steps.some(({ sample }) => sample !== undefined)
    ? 'open: an estimate from a sample, or only a bound is known'
    : 'open: only a bound is known';
}

/**
 * "77.2 % (95 % beside fp32: 76.4 to 78.0 %)", the interval from paired items where there is one; or a bound:
 * "at most 75.8 % (not measured further)". An accepted plan is at least as good as its bound, a refused one
 * at most.
 */
export function measuredText(measured: Measured, view: TaskView): string {
  const { metric, exact, sample, accepted = false, low, high, pairedLow, pairedHigh } = measured;
  // What was broken off has a bound, unless a gate refused it.
  if (!exact && Number.isNaN(metric)) return 'not measured';
  if (!Number.isFinite(metric)) return 'no number';
  const { format } = view.metric;
  if (!exact && sample !== undefined) {
    const { items, of, low, high } = sample;
    const ends = `${format(low)} to ${format(high)} not ruled out`;
    return `about ${format(metric)} (${items} of ${of} items: ${ends})`;
  }
  if (!exact) {
    const words = accepted === view.higher ? 'at least' : 'at most';
    return `${words} ${format(metric)} (not measured further)`;
  }
  if (pairedLow !== undefined && pairedHigh !== undefined)
    return `${format(metric)} (95 % beside fp32: ${format(pairedLow)} to ${format(pairedHigh)})`;
  if (low === undefined || high === undefined) return format(metric);
  return `${format(metric)} (95 %: ${format(low)} to ${format(high)})`;
}
