import { BYTES_PER_MB } from '../util/bytes.js';
import { PlotError } from '../util/errors.js';
import { paretoRows, SERIES, type ParetoInput, type ParetoRow } from './pareto-rows.js';
import type { Part } from './part.js';
import { chart, values, type ChartSpec } from './spec.js';
import { stripView } from './strip.js';
import { lossOf, taskView, type DataNames, type TaskView } from './task-view.js';
import { COLORS } from './theme.js';

export type { ParetoInput } from './pareto-rows.js';

const WIDTH = 620;
const HEIGHT = 300;
const DEFAULT_LAMBDA = 0.5;
/** As in the search: the differences of two metrics are inexact. */
const LIMIT_TOLERANCE = 1e-12;
/** How far the quality slider goes beyond the limit given. */
const LOSS_RANGE = 2.5;
/** Sorts behind every score. */
const LAST = 1e300;
const SELECTED = 'selected';

const SHAPES: Readonly<Record<string, readonly [color: string, shape: string]>> = {
  'global tier': [COLORS.sky, 'triangle-up'],
  'block tier': [COLORS.blue, 'circle'],
  'module tier': [COLORS.green, 'square'],
  knapsack: [COLORS.blue, 'circle'],
  swaps: [COLORS.green, 'square'],
  [SERIES.uniform]: [COLORS.grey, 'cross'],
  [SERIES.fp32]: [COLORS.black, 'diamond'],
  [SERIES.paper]: [COLORS.purple, 'triangle-down'],
  [SELECTED]: [
    COLORS.vermilion,
    'M0,-1L.23,-.31L.95,-.31L.36,.12L.59,.81L0,.38L-.59,.81L-.36,.12L-.95,-.31L-.23,-.31Z',
  ],
};

/**
 * Fig. 9: the plans that a search tried, the Pareto front, the region that meets both limits, and the
 * plan that the trade-off score selects. Sliders for λ and for both limits select anew, inside the chart
 * and among the plans measured; a strip shows the selected plan's bits block by block.
 *
 * Score: accuracy S = A − λ·m_q/m_0, largest wins; perplexity S = PPL + λ·m_q/m_0, smallest wins; of
 * equal scores the earliest step. The dotted line joins all points of the selected plan's score.
 *
 * @throws {PlotError} when there are no steps, or they are not the baseline's.
 */
export function paretoChart(input: ParetoInput, names: DataNames = {}): ChartSpec {
  const { baseline, name } = input;
  const view = taskView(baseline.task, names);
  const rows = paretoRows(input, view);
  const axes = axesOf(input, rows, view);
  const beyond = axes.beyond === 0 ? '' : `; ${axes.beyond} plans lose more than the axis shows`;
  const overlay = rows.some((row) => row.series === SERIES.paper)
    ? '; paper: its change from its own baseline, drawn from ours'
    : '';
  const title = `${name === undefined ? '' : `Case ${name}: `}${view.title}, quality against memory`;
  return chart(
    `${title}: plans tried for ${baseline.model}, the Pareto front, the limits, and the plan that the score selects for the λ set.`,
    {
      title: {
        text: title,
        subtitle: [
          `${baseline.model}, ${input.steps.length} plans tried${beyond}${overlay}`,
          'Line: Pareto front; shaded: meets both limits; dotted: equal score; bar: 95 % interval; dashed: unquantized',
        ],
      },
      params: parametersOf(input, axes),
      data: { values: values(rows, 'pareto chart') },
      transform: selectionTransforms(input, view),
      vconcat: [
        statusView(view),
        scatterView(rows, axes, baseline.bytes, view),
        stripView(input.steps, WIDTH, [{ filter: 'datum.selected' }], 'Bits of the selected plan'),
      ],
      spacing: 10,
      // The strip's colours and axes are its own.
      resolve: {
        scale: { color: 'independent', shape: 'independent', x: 'independent', y: 'independent' },
      },
    },
  );
}

interface Axes {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  /** Ends of the quality slider. */
  readonly maxLoss: number;
  /** Points left out by `y`. */
  readonly beyond: number;
}

/** Axes that show what the limits are about, and not a plan that is broken beyond measure. */
function axesOf(
  { limits, baseline }: ParetoInput,
  rows: readonly ParetoRow[],
  view: TaskView,
): Axes {
  const losses = rows.map((row) => lossOf(row.metric, baseline.metric, view));
  const largest = Math.max(...losses);
  const wanted = Number.isFinite(limits.loss) ? LOSS_RANGE * limits.loss : largest;
  const maxLoss = wanted > 0 ? wanted : Math.max(largest, 1e-3);
  const best = Math.min(0, ...losses);
  const pad = 0.06 * (maxLoss - best);
  const sign = view.better === 'higher' ? -1 : 1;
  const ends = [best - pad, maxLoss + pad].map((loss) => baseline.metric + sign * loss);
  return {
    x: [0, (1.04 * Math.max(...rows.map((row) => row.bytes))) / BYTES_PER_MB],
    y: [Math.min(...ends), Math.max(...ends)],
    maxLoss,
    beyond: losses.filter((loss) => loss > maxLoss + pad).length,
  };
}

function parametersOf(input: ParetoInput, { maxLoss, x }: Axes): readonly Part[] {
  const { limits, lambda = DEFAULT_LAMBDA, baseline, paper = [] } = input;
  if (!(lambda >= 0 && lambda <= 1))
    throw new PlotError({
      what: 'not a trade-off weight',
      where: 'pareto chart, lambda',
      got: String(lambda),
      expected: 'a number from 0 to 1',
    });
  const range = (
    name: string,
    value: number,
    max: number,
    label: string,
    step = stepFor(max),
  ): Part => ({
    name,
    value: Math.min(value, max),
    bind: { input: 'range', min: 0, max, step, name: label },
  });
  const loss = baseline.task === 'sst2' ? 'drop of accuracy' : 'rise of perplexity';
  const sliders = [
    range('lambda', lambda, 1, 'λ, the weight of memory', 0.01),
    range('maxLoss', limits.loss, maxLoss, `Largest ${loss}`),
    range('maxMemory', limits.bytes / BYTES_PER_MB, Math.ceil(x[1]), 'Largest footprint (MB)'),
  ];
  if (!paper.some((record) => record.task === baseline.task)) return sliders;
  const box: Part = { input: 'checkbox', name: 'Show the paper’s points' };
  return [...sliders, { name: 'showPaper', value: true, bind: box }];
}

/** A round step that gives a slider at least 300 places, so that it comes back close to its start. */
function stepFor(range: number): number {
  return Number((10 ** Math.floor(Math.log10(range / 300))).toPrecision(1));
}

/** Marks in each row whether it is the one selected: what `select` of the search does, in the chart. */
function selectionTransforms({ baseline }: ParetoInput, view: TaskView): readonly Part[] {
  const higher = view.better === 'higher';
  const loss = higher ? `${baseline.metric} - datum.metric` : `datum.metric - ${baseline.metric}`;
  const cost = `lambda * datum.bytes / ${baseline.bytes}`;
  const feasible = `datum.selectable && ${loss} <= maxLoss + ${LIMIT_TOLERANCE} && datum.mb <= maxMemory`;
  return [
    { calculate: feasible, as: 'feasible' },
    { calculate: `datum.metric ${higher ? '-' : '+'} ${cost}`, as: 'score' },
    { calculate: `datum.feasible ? ${higher ? '-' : ''}datum.score : ${LAST}`, as: 'order' },
    {
      window: [{ op: 'row_number', as: 'rank' }],
      sort: [{ field: 'order' }, { field: 'step' }],
    },
    { calculate: 'datum.feasible && datum.rank === 1', as: 'selected' },
  ];
}

/** A line of text that says what is selected, or that nothing is. */
function statusView(view: TaskView): Part {
  const lambda = "'λ = ' + format(lambda, '.2f')";
  const scored = `${lambda} + ' selects ' + datum.plan + ': ' + datum.metricText + ', ' + datum.memoryText + ', score ' + format(datum.score, '${view.better === 'higher' ? '.4f' : '.3f'}')`;
  const line = (color: string): Part => ({
    mark: { type: 'text', align: 'left', fontSize: 12, color },
    encoding: { x: { value: 0 }, text: { field: 'text' } },
  });
  return {
    width: WIDTH,
    height: 16,
    layer: [
      {
        transform: [{ filter: 'datum.selected' }, { calculate: scored, as: 'text' }],
        ...line(COLORS.black),
      },
      {
        transform: [
          { aggregate: [{ op: 'max', field: 'selected', as: 'any' }] },
          { filter: '!datum.any' },
          { calculate: "'No plan that was measured meets both limits.'", as: 'text' },
        ],
        ...line(COLORS.vermilion),
      },
    ],
  };
}

function scatterView(
  rows: readonly ParetoRow[],
  axes: Axes,
  fp32Bytes: number,
  view: TaskView,
): Part {
  const present = new Set<string>([...rows.map((row) => row.series), SELECTED]);
  const series = Object.keys(SHAPES).filter((name) => present.has(name));
  const legend: Part = { title: null, orient: 'top', columns: 7, symbolSize: 70 };
  const color: Part = {
    type: 'nominal',
    scale: { domain: series, range: series.map((name) => SHAPES[name][0]) },
    legend,
  };
  const shape: Part = {
    type: 'nominal',
    scale: { domain: series, range: series.map((name) => SHAPES[name][1]) },
    legend,
  };
  const x: Part = {
    field: 'mb',
    type: 'quantitative',
    title: 'Memory (MB)',
    scale: { domain: axes.x, nice: false },
  };
  const y: Part = {
    field: 'metric',
    type: 'quantitative',
    title: view.metric,
    scale: { domain: axes.y, nice: false, zero: false },
    axis: { format: view.axisFormat },
  };
  return {
    width: WIDTH,
    height: HEIGHT,
    layer: [
      regionLayer(x, y, axes, rows, view),
      {
        transform: [{ filter: `datum.series === '${SERIES.fp32}'` }],
        mark: {
          type: 'rule',
          strokeDash: [5, 4],
          color: COLORS.black,
          strokeWidth: 1,
          aria: false,
        },
        encoding: { y },
      },
      {
        transform: [{ filter: 'datum.front' }],
        mark: {
          type: 'line',
          interpolate: 'step-after',
          color: COLORS.grey,
          clip: true,
          aria: false,
        },
        encoding: { x, y, order: { field: 'mb' } },
      },
      scoreLineLayer(x, y, axes, fp32Bytes, view),
      {
        transform: [{ filter: 'datum.selected && isValid(datum.low)' }],
        mark: { type: 'rule', color: COLORS.vermilion, clip: true, aria: false },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } },
      },
      pointsLayer(x, y, color, shape, view, present.has(SERIES.paper)),
      {
        transform: [{ filter: 'datum.selected' }, { calculate: `'${SELECTED}'`, as: 'series' }],
        mark: {
          type: 'point',
          filled: true,
          size: 260,
          stroke: '#ffffff',
          strokeWidth: 1,
          opacity: 1,
          clip: true,
        },
        encoding: {
          x,
          y,
          color: { ...color, field: 'series' },
          shape: { ...shape, field: 'series' },
          tooltip: tooltip(view),
        },
      },
    ],
  };
}

/** What meets both limits: from no memory to the limit, from the limit of quality to the best. */
function regionLayer(
  x: Part,
  y: Part,
  axes: Axes,
  rows: readonly ParetoRow[],
  view: TaskView,
): Part {
  const higher = view.better === 'higher';
  const fp32 = rows.find((row) => row.series === SERIES.fp32)!.metric;
  return {
    transform: [
      { filter: `datum.series === '${SERIES.fp32}'` },
      { calculate: '0', as: 'left' },
      { calculate: `min(maxMemory, ${axes.x[1]})`, as: 'right' },
      { calculate: `${fp32} ${higher ? '-' : '+'} maxLoss`, as: 'worst' },
      { calculate: String(higher ? axes.y[1] : axes.y[0]), as: 'top' },
    ],
    mark: { type: 'rect', color: COLORS.yellow, opacity: 0.22, clip: true, aria: false },
    encoding: {
      x: { ...x, field: 'left' },
      x2: { field: 'right' },
      y: { ...y, field: 'worst' },
      y2: { field: 'top' },
    },
  };
}

/** All points whose score is the selected plan's: a straight line in memory. */
function scoreLineLayer(x: Part, y: Part, axes: Axes, fp32Bytes: number, view: TaskView): Part {
  const [sign, back] = view.better === 'higher' ? ['+', '-'] : ['-', '+'];
  const at = (mb: number): string =>
    `datum.metric ${back} lambda * datum.bytes / ${fp32Bytes} ${sign} lambda * ${mb * BYTES_PER_MB} / ${fp32Bytes}`;
  return {
    transform: [
      { filter: 'datum.selected' },
      { calculate: String(axes.x[0]), as: 'left' },
      { calculate: String(axes.x[1]), as: 'right' },
      { calculate: at(axes.x[0]), as: 'leftMetric' },
      { calculate: at(axes.x[1]), as: 'rightMetric' },
    ],
    mark: { type: 'rule', color: COLORS.vermilion, strokeDash: [2, 3], clip: true, aria: false },
    encoding: {
      x: { ...x, field: 'left' },
      x2: { field: 'right' },
      y: { ...y, field: 'leftMetric' },
      y2: { field: 'rightMetric' },
    },
  };
}

function pointsLayer(
  x: Part,
  y: Part,
  color: Part,
  shape: Part,
  view: TaskView,
  overlay: boolean,
): Part {
  return {
    ...(overlay && { transform: [{ filter: `showPaper || datum.series !== '${SERIES.paper}'` }] }),
    params: [
      {
        name: 'zoom',
        select: { type: 'interval', zoom: 'wheel![event.shiftKey]' },
        bind: 'scales',
      },
    ],
    mark: { type: 'point', filled: true, size: 60, clip: true },
    encoding: {
      x,
      y,
      color: { ...color, field: 'series' },
      shape: { ...shape, field: 'series' },
      opacity: {
        condition: { test: 'datum.feasible || datum.cells.length === 0', value: 0.95 },
        value: 0.4,
      },
      tooltip: tooltip(view),
    },
  };
}

function tooltip(view: TaskView): readonly Part[] {
  return [
    { field: 'plan', title: 'Plan' },
    { field: 'metricText', title: view.metric },
    { field: 'memoryText', title: 'Memory' },
    { field: 'series', title: 'From' },
    { field: 'note', title: 'Verdict' },
  ];
}
