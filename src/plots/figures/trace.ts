import { PlotError } from '../../util/errors.js';
import { BYTES_PER_MB } from '../../util/format.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { cellsOf, stripView } from '../parts/strip.js';
import { taskView, type DataNames, type TaskView } from '../parts/task-view.js';
import { COLORS } from '../parts/theme.js';
import type { BaselineRecord, LimitsRecord, StepRecord } from '../records.js';
import { measuredText, stepText } from './pareto-rows.js';

const WIDTH = 610;
/** Leaves the step that the slider is on. */
const AT_SLIDER: Part = { filter: 'datum.step === step' };

const VERDICTS = {
  candidate: [COLORS.green, 'circle'],
  'kept, too large yet': [COLORS.blue, 'square'],
  refused: [COLORS.vermilion, 'cross'],
} as const;
type Verdict = keyof typeof VERDICTS;

/** The input of the search step by step. */
export interface TraceInput {
  readonly steps: readonly StepRecord[];
  readonly baseline: BaselineRecord;
  readonly limits: LimitsRecord;
  /** Name of the case, for the title: 'a1'. */
  readonly name?: string;
}

/**
 * Beyond the paper: the search step by step. A slider walks through the plans tried: above the metric and
 * the memory of each with its verdict, below the plan of the step, bits block by block.
 *
 * @throws {PlotError} when there are no steps.
 */
export function traceChart(input: TraceInput, names: DataNames = {}): ChartSpec {
  const { steps, baseline, limits, name } = input;
  if (steps.length === 0)
    throw new PlotError({ what: 'no step to draw', where: 'trace chart', got: '0 steps' });
  const view = taskView(baseline.task, names);
  const rows = steps.map((step) => rowOf(step, limits, view));
  const last = Math.max(...steps.map(({ step }) => step));
  const slider = { input: 'range', min: 0, max: last, step: 1, name: 'Step' };
  const title = `${name === undefined ? '' : `Case ${name}: `}${view.title}, the search step by step`;
  return chart(
    `${title} for ${baseline.model}: metric and memory of each plan tried, whether it was kept, and its bits block by block.`,
    {
      title: {
        text: title,
        subtitle: `${baseline.model}, ${steps.length} plans tried; dashed: the limits; bars: 95 % intervals`,
      },
      params: [{ name: 'step', value: last, bind: slider }],
      data: { values: values(rows, 'trace chart') },
      vconcat: [
        statusView(),
        metricView(input, view),
        memoryView(input),
        stripView(steps, WIDTH, [AT_SLIDER], 'Bits of the plan tried at this step'),
      ],
      spacing: 10,
      resolve: {
        scale: { color: 'independent', shape: 'independent', x: 'independent', y: 'independent' },
      },
    },
  );
}

function verdictOf({ accepted, bytes }: StepRecord, limits: LimitsRecord): Verdict {
  if (!accepted) return 'refused';
  return bytes <= limits.bytes ? 'candidate' : 'kept, too large yet';
}

function rowOf(record: StepRecord, limits: LimitsRecord, view: TaskView): object {
  const { step, stage, metric, low, high, bytes, reason } = record;
  const metricText = measuredText(record, view);
  const memoryText = `${(bytes / BYTES_PER_MB).toFixed(2)} MB`;
  return {
    step,
    stage: `${stage} tier`,
    plan: stepText(record),
    metric: Number.isFinite(metric) ? metric : null,
    low: low ?? null,
    high: high ?? null,
    mb: bytes / BYTES_PER_MB,
    verdict: verdictOf(record, limits),
    metricText,
    memoryText,
    status: `${stepText(record)} (${stage} tier): ${metricText}, ${memoryText}; ${reason}`,
    cells: cellsOf(record),
  };
}

function statusView(): Part {
  return {
    width: WIDTH,
    height: 16,
    transform: [AT_SLIDER],
    mark: { type: 'text', align: 'left', fontSize: 12, limit: WIDTH + 20, color: COLORS.black },
    encoding: { x: { value: 0 }, text: { field: 'status' } },
  };
}

function stepAxis(steps: readonly StepRecord[], title: string | null): Part {
  const ends = steps.map(({ step }) => step);
  return {
    field: 'step',
    type: 'quantitative',
    title,
    scale: { domain: [Math.min(...ends) - 0.5, Math.max(...ends) + 0.5], nice: false },
    axis: { tickMinStep: 1, format: 'd', grid: false },
  };
}

function metricView(input: TraceInput, view: TaskView): Part {
  const { steps, baseline, limits } = input;
  const worst = baseline.metric + (view.higher ? -1 : 1) * limits.loss;
  const x = stepAxis(steps, null);
  const y: Part = {
    field: 'metric',
    type: 'quantitative',
    title: view.axisTitle,
    // A plan that is broken beyond measure is drawn at the edge; else it would flatten all others.
    scale: { domain: metricEnds(input, view), zero: false, nice: true, clamp: true },
    axis: { format: view.axisFormat, tickCount: 5, minExtent: 34 },
  };
  return {
    width: WIDTH,
    height: 150,
    layer: [
      cursor(x),
      ...(Number.isFinite(worst) ? [limitLayer(y, worst)] : []),
      {
        transform: [{ filter: 'isValid(datum.low)' }],
        mark: { type: 'rule', color: '#bdbdbd', clip: true, aria: false },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } },
      },
      points(x, y, true),
    ],
  };
}

/** From the best metric to the worst, or to four times the loss allowed where plans lose more. */
function metricEnds({ steps, baseline, limits }: TraceInput, view: TaskView): [number, number] {
  const shown = steps
    .filter(({ metric }) => Number.isFinite(metric))
    .flatMap(({ metric, low = metric, high = metric }) => [low, metric, high]);
  const losses = [0, ...shown.map((value) => view.metric.lossOf(baseline.metric, value))];
  const worst = Math.min(Math.max(...losses), Math.max(4 * limits.loss, 1e-3));
  const sign = view.higher ? -1 : 1;
  const ends = [Math.min(...losses), worst].map((loss) => baseline.metric + sign * loss);
  return [Math.min(...ends), Math.max(...ends)];
}

function memoryView({ steps, limits }: TraceInput): Part {
  const x = stepAxis(steps, 'Step');
  const y: Part = {
    field: 'mb',
    type: 'quantitative',
    title: 'Memory (MB)',
    scale: { zero: true, nice: true },
    axis: { tickCount: 4, minExtent: 34 },
  };
  const limit = limits.bytes / BYTES_PER_MB;
  const limitLayers = Number.isFinite(limit) ? [limitLayer(y, limit)] : [];
  return { width: WIDTH, height: 100, layer: [cursor(x), ...limitLayers, points(x, y, false)] };
}

/** A band behind the step that the slider is on. */
function cursor(x: Part): Part {
  return {
    transform: [
      AT_SLIDER,
      { calculate: 'datum.step - 0.5', as: 'left' },
      { calculate: 'datum.step + 0.5', as: 'right' },
    ],
    mark: { type: 'rect', color: COLORS.yellow, opacity: 0.4, aria: false },
    encoding: { x: { ...x, field: 'left' }, x2: { field: 'right' } },
  };
}

function limitLayer(y: Part, limit: number): Part {
  return {
    data: { values: [{ limit }] },
    mark: { type: 'rule', color: COLORS.black, strokeDash: [5, 4], aria: false },
    encoding: { y: { ...y, field: 'limit' } },
  };
}

function points(x: Part, y: Part, legend: boolean): Part {
  const names = Object.keys(VERDICTS) as Verdict[];
  const scale = (place: 0 | 1): Part => ({
    domain: names,
    range: names.map((each) => VERDICTS[each][place]),
  });
  const shown: Part | null = legend ? { title: null, orient: 'top' } : null;
  return {
    mark: { type: 'point', filled: true, size: 60 },
    encoding: {
      x,
      y,
      color: { field: 'verdict', type: 'nominal', scale: scale(0), legend: shown },
      shape: { field: 'verdict', type: 'nominal', scale: scale(1), legend: shown },
      // Steps ahead of the slider are faint.
      opacity: { condition: { test: 'datum.step <= step', value: 1 }, value: 0.25 },
      tooltip: [
        { field: 'plan', title: 'Plan' },
        { field: 'stage', title: 'Tier' },
        { field: 'metricText', title: 'Metric' },
        { field: 'memoryText', title: 'Memory' },
        { field: 'verdict', title: 'Verdict' },
      ],
    },
  };
}
