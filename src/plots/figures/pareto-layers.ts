import { BYTES_PER_MB } from '../../util/format.js';
import { barLayers } from '../parts/interval-bars.js';
import { LABEL_LOOKS, LABEL_SIZE } from '../parts/label-places.js';
import type { Part } from '../parts/part.js';
import { PINNED } from '../parts/pinned.js';
import type { TaskView } from '../parts/task-view.js';
import { COLORS, STAR } from '../parts/theme.js';
import { zoomBy } from '../parts/zoom.js';
import { SERIES, type ParetoRow } from './pareto-rows.js';

/** Width of the plot in pixels; the strip below is as wide. */
export const WIDTH = 620;
export const HEIGHT = 300;
export const SELECTED = 'selected';

const SHAPES: Readonly<Record<string, readonly [color: string, shape: string]>> = {
  'global tier': [COLORS.sky, 'triangle-up'],
  'block tier': [COLORS.blue, 'circle'],
  'module tier': [COLORS.green, 'square'],
  knapsack: [COLORS.blue, 'circle'],
  swaps: [COLORS.green, 'square'],
  [SERIES.uniform]: [COLORS.grey, 'cross'],
  [SERIES.fp32]: [COLORS.black, 'diamond'],
  [SERIES.paper]: [COLORS.purple, 'triangle-down'],
  [SELECTED]: [COLORS.vermilion, STAR],
};

/** Looks of further searches. */
const OTHERS: readonly (readonly [color: string, shape: string])[] = [
  [COLORS.orange, 'diamond'],
  [COLORS.purple, 'square'],
  [COLORS.black, 'triangle-up'],
];

/** The plan that is selected, or where there is none the nearest. */
export const SHOWN: Part = { filter: 'datum.selected || datum.nearest' };

/** Spans of the plot's axes. */
export interface Axes {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  /** Ends of the quality slider. */
  readonly maxLoss: number;
  /** Points left out by `y`. */
  readonly beyond: number;
}

/** Names of the marks that a brush goes over and a click pins, where there are two panels. */
export const LINKED = { memory: 'by memory', energy: 'by modelled energy' } as const;

/** Colour (0) and shape (1) of a series. */
type Look = readonly [color: string, shape: string];

interface SeriesLooks {
  readonly present: ReadonlySet<string>;
  readonly lookOf: (name: string) => Look;
  /** The same as an encoding. */
  readonly look: (place: 0 | 1) => Part;
}

/** The looks of the series of a plot. @param legend null for none. */
export function seriesLooks(rows: readonly ParetoRow[], legend: Part | null): SeriesLooks {
  const present = new Set<string>([...rows.map((row) => row.series), SELECTED]);
  const others = [...present].filter((name) => !(name in SHAPES));
  // The plans of no search come first, so that they are drawn under those of one.
  const series = [...Object.keys(SHAPES).filter((name) => present.has(name)), ...others];
  const lookOf = (name: string): Look =>
    SHAPES[name] ?? OTHERS[others.indexOf(name) % OTHERS.length];
  const look = (place: 0 | 1): Part => ({
    type: 'nominal',
    scale: { domain: series, range: series.map((name) => lookOf(name)[place]) },
    legend,
    field: 'series',
  });
  return { present, lookOf, look };
}

/** The axis of quality. */
export function qualityAxis({ y }: Axes, view: TaskView): Part {
  return {
    field: 'metric',
    type: 'quantitative',
    title: view.axisTitle,
    scale: { domain: y, nice: false, zero: false },
    axis: { format: view.axisFormat },
  };
}

/**
 * The plot: region, front, line of equal score, points, the selected one.
 *
 * @param linked one of two panels: a brush over both takes the place of moving the axes, and the front, which
 *   is no line then, is ringed.
 */
export function scatterView(
  rows: readonly ParetoRow[],
  axes: Axes,
  view: TaskView,
  linked = false,
): Part {
  const fp32 = rows.find((row) => row.series === SERIES.fp32)!.metric;
  const legend: Part = { title: null, orient: 'top', columns: 7, symbolSize: 70 };
  const { look, lookOf, present } = seriesLooks(rows, legend);
  const x: Part = {
    field: 'mb',
    type: 'quantitative',
    title: 'Memory (MB)',
    scale: { domain: axes.x, nice: false },
  };
  const y = qualityAxis(axes, view);
  const points: Part = { x, y, color: look(0), shape: look(1) };
  return {
    width: WIDTH,
    height: HEIGHT,
    layer: [
      regionLayer(x, y, axes, fp32, view),
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
      linked ? frontRings(x, y) : frontLine(x, y),
      scoreLineLayer(x, y, axes, view),
      ...selectedBar(x, y, axes),
      pointsLayer(points, view, fp32, { overlay: present.has(SERIES.paper), linked }),
      ...boundsLayers(rows, x, y, view, lookOf),
      ...(present.has(SERIES.paper) ? paperNames(x, y) : []),
      pinnedRing(x, y),
      {
        transform: [SHOWN, { calculate: `'${SELECTED}'`, as: 'series' }],
        mark: {
          type: 'point',
          filled: true,
          size: 260,
          stroke: '#ffffff',
          strokeWidth: 1,
          opacity: 1,
          clip: true,
        },
        encoding: { ...points, tooltip: tooltip(view, linked) },
      },
    ],
  };
}

function frontLine(x: Part, y: Part): Part {
  return {
    transform: [{ filter: 'datum.front' }],
    mark: { type: 'line', interpolate: 'step-after', color: COLORS.grey, clip: true, aria: false },
    encoding: { x, y, order: { field: 'mb' }, detail: { field: 'run' } },
  };
}

/** The front in three objectives, which no line of a panel joins. */
export function frontRings(x: Part, y: Part): Part {
  return {
    transform: [{ filter: 'datum.front' }],
    mark: {
      ...{ type: 'point', filled: false, size: 110, strokeWidth: 1 },
      ...{ stroke: COLORS.black, clip: true, aria: false },
    },
    encoding: { x, y },
  };
}

/** Around the plan that is pinned. */
export function pinnedRing(x: Part, y: Part): Part {
  return {
    transform: [PINNED],
    mark: {
      ...{ type: 'point', filled: false, size: 200, strokeWidth: 2 },
      ...{ stroke: COLORS.black, clip: true, aria: false },
    },
    encoding: { x, y },
  };
}

/** A plan that is clicked on. */
export const PINNED_PARAMETER: Part = {
  name: 'pinned',
  select: { type: 'point', fields: ['step', 'plan'], on: 'click', toggle: false },
};

/** The plans that meet both limits: from no memory to the limit, from the limit of quality to the best. */
function regionLayer(x: Part, y: Part, axes: Axes, fp32: number, { higher }: TaskView): Part {
  return {
    transform: [
      { filter: `datum.series === '${SERIES.fp32}'` },
      { calculate: '0', as: 'left' },
      { calculate: `min(bytesLimit / ${BYTES_PER_MB}, ${axes.x[1]})`, as: 'right' },
      {
        calculate: `${fp32} ${higher ? '-' : '+'} min(lossLimit, ${2 * axes.maxLoss})`,
        as: 'worst',
      },
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
function scoreLineLayer(x: Part, y: Part, axes: Axes, view: TaskView): Part {
  const [sign, back] = view.higher ? ['+', '-'] : ['-', '+'];
  const at = (mb: number): string =>
    `datum.metric ${back} perByte * datum.bytes ${sign} perByte * ${mb * BYTES_PER_MB}`;
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

/** The series that are clicked on in the legend. */
export const LEGEND_PARAMETER: Part = {
  name: 'series',
  select: { type: 'point', fields: ['series'] },
  bind: 'legend',
};

function pointsLayer(
  points: Part,
  view: TaskView,
  fp32: number,
  { overlay, linked }: { readonly overlay: boolean; readonly linked: boolean },
): Part {
  const loss = view.higher ? `${fp32} - datum.metric` : `datum.metric - ${fp32}`;
  // Plans of a search beside are not selected from, but keep the limits or not as any.
  const keeps = `(datum.run > 0 && ${loss} <= lossLimit + 1e-12 && datum.bytes <= bytesLimit)`;
  const keepsAll = `datum.feasible || datum.cells.length === 0 || ${keeps}`;
  return {
    ...(linked && { name: LINKED.memory }),
    transform: [
      ...(overlay ? [{ filter: `showPaper || datum.series !== '${SERIES.paper}'` }] : []),
      { filter: '!datum.bound' },
      { filter: { param: 'series' } },
      // Grey crosses under the plans of the search.
      { calculate: `datum.series === '${SERIES.uniform}' ? 0 : 1`, as: 'layer' },
    ],
    // Of two panels the figure has them: those of a mark give way to it.
    ...(!linked && { params: [zoomBy('zoom'), PINNED_PARAMETER, LEGEND_PARAMETER] }),
    // 1, not left to the default of 0.7, which counts as a group too.
    mark: { type: 'point', filled: true, size: 60, opacity: 1, clip: true },
    encoding: {
      ...points,
      order: { field: 'layer' },
      // Not `opacity`: the PNG renderer cannot draw a group that lies far outside, as an axis leaves plans.
      fillOpacity: linked
        ? brushed(keepsAll)
        : { condition: { test: keepsAll, value: 0.95 }, value: 0.4 },
      tooltip: tooltip(view, linked),
    },
  };
}

/** Strong where a plan keeps the limits, all but gone where a brush leaves it out. */
export function brushed(keeps: string): Part {
  return {
    condition: [
      { test: { and: [{ param: 'brush' }, keeps] }, value: 0.95 },
      { test: { param: 'brush' }, value: 0.4 },
    ],
    value: 0.07,
  };
}

/** The names of the paper's cases beside their marks, on a rim of white. */
function paperNames(x: Part, y: Part): Part[] {
  return [{ stroke: '#ffffff', strokeWidth: 3, strokeJoin: 'round' }, { color: '#8a4a70' }].map(
    (look) => ({
      transform: [{ filter: "showPaper && datum.label !== ''" }, { filter: { param: 'series' } }],
      mark: {
        type: 'text',
        fontSize: LABEL_SIZE,
        clip: true,
        aria: false,
        ...LABEL_LOOKS.left,
        ...look,
      },
      encoding: { x, y, text: { field: 'label' } },
    }),
  );
}

/** The interval of the plan selected, as far as the axis goes. */
function selectedBar(x: Part, y: Part, { y: [from, to] }: Axes): Part[] {
  const inside = (end: string): string => `clamp(datum.${end}, ${from}, ${to})`;
  const cut = (end: 'low' | 'high', test: string): Part => ({
    calculate: `datum.${end} ${test} ? ${end === 'low' ? from : to} : null`,
    as: end === 'low' ? 'cutLow' : 'cutHigh',
  });
  const transform: Part[] = [
    { filter: 'datum.selected && isValid(datum.low)' },
    { calculate: inside('low'), as: 'barLow' },
    { calculate: inside('high'), as: 'barHigh' },
    cut('low', `< ${from}`),
    cut('high', `> ${to}`),
  ];
  return barLayers({ x }, y, { color: COLORS.vermilion }).map((layer) => ({
    ...layer,
    transform: [...transform, ...((layer.transform ?? []) as readonly Part[])],
  }));
}

/**
 * Plans of which only a bound is known: open marks, a layer a series. Looks are the marks' own, since a second
 * scale of shapes takes the legend's away.
 */
function boundsLayers(
  rows: readonly ParetoRow[],
  x: Part,
  y: Part,
  view: TaskView,
  lookOf: (series: string) => readonly [color: string, shape: string],
): Part[] {
  const names = [...new Set(rows.filter(({ bound }) => bound).map(({ series }) => series))];
  return names.map((name) => {
    const [stroke, shape] = lookOf(name);
    const own = `datum.bound && datum.series === ${JSON.stringify(name)}`;
    return {
      transform: [{ filter: own }, { filter: { param: 'series' } }],
      mark: { type: 'point', filled: false, size: 60, strokeWidth: 1.5, clip: true, stroke, shape },
      encoding: { x, y, tooltip: tooltip(view) },
    };
  });
}

/** @param energy is modelled, and told. */
export function tooltip(view: TaskView, energy = false): readonly Part[] {
  return [
    { field: 'plan', title: 'Plan' },
    { field: 'metricText', title: view.axisTitle },
    { field: 'memoryText', title: 'Memory' },
    ...(energy ? [{ field: 'energyText', title: 'Energy' }] : []),
    { field: 'series', title: 'From' },
    { field: 'note', title: 'Verdict' },
  ];
}
