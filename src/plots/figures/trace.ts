import { PlotError } from '../../util/errors.js';
import { BYTES_PER_MB, formatCounted } from '../../util/format.js';
import { barLayers, barWithin, drawnInterval } from '../parts/interval-bars.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { cellsOf, stripView } from '../parts/strip.js';
import { taskView, type DataNames, type TaskView } from '../parts/task-view.js';
import { textWidth } from '../parts/text-width.js';
import { COLORS } from '../parts/theme.js';
import type { BaselineRecord, LimitsRecord, StepRecord } from '../records.js';
import { measuredText, openText, STAGE_NAMES, stepText } from './pareto-rows.js';

const WIDTH = 610;
/** Share of the metric's axis that is left free at either end. */
const PAD = 0.06;
const TIER_SIZE = 10;
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
  const ends = metricEnds(input, view);
  const rows = steps.map((step) => rowOf(step, limits, view, ends));
  const bounds = steps.some(({ exact, metric }) => !exact && Number.isFinite(metric));
  const last = Math.max(...steps.map(({ step }) => step));
  const slider = { input: 'range', min: 0, max: last, step: 1, name: 'Step' };
  const of = name === undefined ? '' : `Case ${name}: `;
  const title = `${of}${view.title}, the search step by step`;
  return chart(
    `${title} for ${baseline.model}: metric and memory of each plan tried, whether it was kept, and its bits block by block.`,
    {
      title: {
        text: `${of}${outcomeText(input)}`,
        subtitle: [
          title,
          `${baseline.model}, ${steps.length} plans tried; dashed: the limits; faint: steps after the slider’s`,
          `${intervalsText(steps)}${bounds ? `; ${openText(steps)}` : ''}`,
        ],
      },
      params: [{ name: 'step', value: last, bind: slider }],
      data: { values: values(rows, 'trace chart') },
      vconcat: [
        statusView(),
        metricView(input, view, ends),
        memoryView(input),
        stripView(steps, WIDTH, {
          only: [AT_SLIDER],
          title: 'Bits of the plan tried at this step',
        }),
      ],
      spacing: 10,
      resolve: {
        scale: {
          color: 'independent',
          fill: 'independent',
          stroke: 'independent',
          shape: 'independent',
          x: 'independent',
          y: 'independent',
        },
      },
    },
  );
}

/** Number of plans that meet both limits, and the size of the smallest: counts, free of noise. */
function outcomeText({ steps, limits, baseline }: TraceInput): string {
  const sizes = steps
    .filter((step) => verdictOf(step, limits) === 'candidate')
    .map(({ bytes }) => bytes);
  const { length } = sizes;
  if (length === 0) return `none of ${formatCounted(steps.length, 'plan')} meets both limits`;
  const least = Math.min(...sizes);
  const change = ((100 * least) / baseline.bytes - 100).toFixed(1).replace('-', '−');
  const verb = length === 1 ? 'meets' : 'meet';
  const size = `${(least / BYTES_PER_MB).toFixed(2)} MB (${change} %)`;
  return `${length} of ${formatCounted(steps.length, 'plan')} ${verb} both limits, the smallest ${size}`;
}

function verdictOf({ accepted, bytes }: StepRecord, limits: LimitsRecord): Verdict {
  if (!accepted) return 'refused';
  return bytes <= limits.bytes ? 'candidate' : 'kept, too large yet';
}

/** Meaning of the bars. */
function intervalsText(steps: readonly StepRecord[]): string {
  const paired = steps.some(({ pairedLow }) => pairedLow !== undefined);
  return `Bars: 95 % intervals${paired ? ' of the difference to fp32, item by item' : ''}; an arrow: the bar goes on`;
}

function rowOf(
  record: StepRecord,
  limits: LimitsRecord,
  view: TaskView,
  ends: readonly [number, number],
): object {
  const { step, stage, metric, exact, bytes, reason } = record;
  const metricText = measuredText(record, view);
  const memoryText = `${(bytes / BYTES_PER_MB).toFixed(2)} MB`;
  return {
    step,
    stage: STAGE_NAMES[stage],
    exact,
    plan: stepText(record),
    metric: Number.isFinite(metric) ? metric : null,
    ...barWithin(record, ends),
    mb: bytes / BYTES_PER_MB,
    verdict: verdictOf(record, limits),
    metricText,
    memoryText,
    // Two lines: neither is ever longer than the picture is wide.
    status: `${stepText(record)} (${STAGE_NAMES[stage]}): ${reason}\n${metricText}, ${memoryText}`,
    cells: cellsOf(record),
  };
}

function statusView(): Part {
  return {
    width: WIDTH,
    name: 'status',
    height: 32,
    transform: [AT_SLIDER],
    mark: {
      type: 'text',
      align: 'left',
      baseline: 'top',
      fontSize: 12,
      lineBreak: '\n',
      color: COLORS.black,
    },
    encoding: { x: { value: 0 }, y: { value: 0 }, text: { field: 'status' } },
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

function metricView(input: TraceInput, view: TaskView, domain: readonly [number, number]): Part {
  const { steps, baseline, limits } = input;
  const worst = baseline.metric + (view.higher ? -1 : 1) * limits.loss;
  const x = stepAxis(steps, null);
  const y: Part = {
    field: 'metric',
    type: 'quantitative',
    title: view.axisTitle,
    // A plan that is broken beyond measure is drawn at the edge; else it would flatten all others.
    scale: { domain, zero: false, nice: false, clamp: true },
    axis: { format: view.axisFormat, tickCount: 5, minExtent: 34 },
  };
  return {
    width: WIDTH,
    height: 150,
    layer: [
      cursor(x),
      ...(Number.isFinite(worst) ? [limitLayer(y, worst)] : []),
      ...tierLayers(steps, x),
      ...barLayers({ x }, y, { color: '#9a9a9a' }),
      points(x, y, true),
    ],
  };
}

/** From the best metric to the worst, or to four times the loss allowed where plans lose more. */
function metricEnds({ steps, baseline, limits }: TraceInput, view: TaskView): [number, number] {
  const shown = steps
    .filter(({ metric }) => Number.isFinite(metric))
    .flatMap((step) => [step.metric, ...(drawnInterval(step) ?? [])]);
  const losses = [0, ...shown.map((value) => view.metric.lossOf(baseline.metric, value))];
  const worst = Math.min(Math.max(...losses), Math.max(4 * limits.loss, 1e-3));
  const sign = view.higher ? -1 : 1;
  const best = Math.min(...losses);
  const pad = PAD * (worst - best);
  const ends = [best - pad, worst + pad].map((loss) => baseline.metric + sign * loss);
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
  const tiers = tierLayers(steps, x).slice(0, 1);
  return {
    width: WIDTH,
    height: 100,
    layer: [cursor(x), ...limitLayers, ...tiers, points(x, y, false)],
  };
}

/** A line where a tier begins, and its name where there is room for it before the next. */
function tierLayers(steps: readonly StepRecord[], x: Part): Part[] {
  const starts = steps.filter(({ stage }, index) => steps[index - 1]?.stage !== stage);
  const last = steps[steps.length - 1].step + 1;
  const pixels = WIDTH / steps.length;
  const tiers = starts.map(({ step, stage }, index) => {
    const text = STAGE_NAMES[stage];
    const room = ((starts[index + 1]?.step ?? last) - step) * pixels;
    const fits = textWidth(text, TIER_SIZE, false) + 6 <= room;
    return { start: step - 0.5, text: fits ? text : '' };
  });
  const data = { values: tiers };
  const place = { ...x, field: 'start' };
  return [
    {
      data,
      transform: [{ filter: `datum.start > ${steps[0].step}` }],
      mark: { type: 'rule', color: COLORS.grey, strokeWidth: 1, strokeDash: [1, 3], aria: false },
      encoding: { x: place },
    },
    {
      data,
      mark: {
        type: 'text',
        align: 'left',
        baseline: 'top',
        dx: 4,
        fontSize: TIER_SIZE,
        color: '#555555',
        aria: false,
      },
      encoding: { x: place, y: { value: 1 }, text: { field: 'text' } },
    },
  ];
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
    mark: { type: 'point', filled: true, size: 60, strokeWidth: 1.5 },
    encoding: {
      x,
      y,
      fill: { field: 'verdict', type: 'nominal', scale: scale(0), legend: shown },
      stroke: { field: 'verdict', type: 'nominal', scale: scale(0), legend: shown },
      shape: { field: 'verdict', type: 'nominal', scale: scale(1), legend: shown },
      // A bound is no measurement: an open mark.
      fillOpacity: { condition: { test: 'datum.exact', value: 1 }, value: 0 },
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
