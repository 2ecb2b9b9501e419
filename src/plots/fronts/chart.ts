import { PlotError } from '../../util/errors.js';
import { barLayers } from '../parts/interval-bars.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { CATEGORIES, COLORS, STAR } from '../parts/theme.js';
import { zoomBy } from '../parts/zoom.js';
import { panelOf, type FrontsPanel, type Panel, type Rule } from './rows.js';

export type { FrontsPanel, FrontsSearch } from './rows.js';

const WIDTH = 600;
const HEIGHT = 230;
/** Looks beside the colours, for those who cannot tell them apart. */
const SHAPES = ['circle', 'square', 'triangle-up', 'diamond', 'triangle-down', 'cross'] as const;
/** Sizes, the first search's first: what lies on each other is seen all the same. Lines in pixels, marks in areas. */
const SIZES = [
  { line: 4, point: 110, star: 480 },
  { line: 2.5, point: 60, star: 240 },
  { line: 1.5, point: 30, star: 100 },
  { line: 1, point: 15, star: 40 },
] as const;

/**
 * The Pareto fronts of several searches over one another, a panel for each model on its data: steps through what each
 * measured to the end, the plan that it selected with its interval, and the limits as rules.
 *
 * @throws {PlotError} when there is no search, a panel has two of one name, or none of its plans was measured to the end.
 */
export function frontsChart(panels: readonly FrontsPanel[]): ChartSpec {
  const searches = panels.flatMap((panel) => panel.searches);
  if (searches.length === 0)
    throw new PlotError({ what: 'no search to draw', where: 'fronts chart', got: '0 searches' });
  const drawn = panels.map(panelOf);
  const names = [...new Set(searches.map(({ name }) => name))];
  const models = [...new Set(panels.map(({ baseline }) => baseline.model))].join(', ');
  const beyond = drawn.reduce((sum, panel) => sum + panel.beyond, 0);
  const paired = drawn.some(({ rows }) => rows.some((row) => row.paired && row.selected));
  return chart(
    `Pareto fronts of searches for ${models}, quality against memory, over one another: ${names.join('; ')}.`,
    {
      title: {
        text: 'Fronts of searches, quality against memory',
        subtitle: [
          'Steps: plans measured to the end that no plan of the same search beats in both; wide lie under narrow',
          `Star: the plan selected; bar: 95 % interval${paired ? ' of the difference to fp32, item by item' : ''}`,
          `Dashed: unquantized; grey rules: the limits${beyond > 0 ? `; ${beyond} on fronts lose more than the axis shows` : ''}`,
          'The data that a search chose on: what it gains there can be luck, held-out data judge',
        ],
      },
      vconcat: drawn.map((panel, index) => panelView(panel, index, names)),
      spacing: 24,
      resolve: { scale: { color: 'shared', shape: 'shared' } },
    },
  );
}

function panelView(panel: Panel, index: number, names: readonly string[]): Part {
  const { title, view, baseline, rows, quality, memory } = panel;
  const x: Part = {
    ...{ field: 'mb', type: 'quantitative', title: 'Memory (MB)' },
    scale: { domain: panel.x, nice: false },
    axis: { tickCount: 8 },
  };
  const y: Part = {
    ...{ field: 'metric', type: 'quantitative', title: view.axisTitle },
    scale: { domain: panel.y, nice: false, zero: false },
    // Fronts span little: whole hundredths would be labelled twice.
    axis: { format: view.logarithmic ? view.axisFormat : '.1~%', minExtent: 34 },
  };
  const look = (range: readonly (string | number)[], legend: Part | null): Part => ({
    ...{ field: 'search', type: 'nominal', legend },
    scale: { domain: names, range: names.map((_, at) => range[at % range.length]) },
  });
  const legend: Part = { title: null, orient: 'top', columns: 3, symbolSize: 70 };
  const color = look(CATEGORIES, legend);
  const points: Part = { x, y, color, shape: look(SHAPES, legend) };
  const tooltip = [
    { field: 'search', title: 'Search' },
    { field: 'plan', title: 'Plan' },
    { field: 'metricText', title: view.axisTitle },
    { field: 'memoryText', title: 'Memory' },
  ];
  return {
    title: { text: title, fontSize: 13 },
    width: WIDTH,
    height: HEIGHT,
    data: { values: values(rows, 'fronts chart') },
    layer: [
      {
        data: { values: [{ metric: baseline.metric }] },
        mark: {
          type: 'rule',
          strokeDash: [5, 4],
          color: COLORS.black,
          strokeWidth: 1,
          aria: false,
        },
        encoding: { y },
      },
      ...ruleLayers(
        quality,
        { y: { ...y, field: 'at' } },
        { align: 'left', dx: 4, dy: -6 },
        { x: { value: 0 } },
      ),
      ...ruleLayers(
        memory,
        { x: { ...x, field: 'at' } },
        { align: 'right', dx: -4, dy: 7 },
        { y: { value: 0 } },
      ),
      ...each((of, { line }) => ({
        transform: [{ filter: `datum.onFront && ${of}` }],
        mark: {
          type: 'line',
          interpolate: 'step-after',
          clip: true,
          aria: false,
          strokeWidth: line,
        },
        encoding: { x, y, color, order: { field: 'mb' } },
      })),
      ...barLayers({ x, color }, y, {}).map((layer) => ({
        ...layer,
        transform: [{ filter: 'datum.selected' }, ...((layer.transform ?? []) as readonly Part[])],
      })),
      ...each((of, { point: size }, at) => ({
        ...(at === 0 && { params: [zoomBy(`zoom_${index}`)] }),
        transform: [{ filter: `!datum.selected && ${of}` }],
        mark: { type: 'point', filled: true, size, opacity: 1, clip: true },
        encoding: { ...points, tooltip },
      })),
      ...each((of, { star: size }) => ({
        transform: [{ filter: `datum.selected && ${of}` }],
        mark: {
          ...{ type: 'point', filled: true, shape: STAR, size, opacity: 1, clip: true },
          ...{ stroke: '#ffffff', strokeWidth: 1 },
        },
        encoding: { x, y, color, tooltip },
      })),
    ],
  };

  /** A layer a search, since a scale of sizes would be a second legend. */
  function each(
    layerOf: (of: string, sizes: (typeof SIZES)[number], at: number) => Part,
  ): readonly Part[] {
    return names.map((name, at) =>
      layerOf(
        `datum.search === ${JSON.stringify(name)}`,
        SIZES[Math.min(at, SIZES.length - 1)],
        at,
      ),
    );
  }
}

/** Limits across the panel, each with its value at an end. */
function ruleLayers(rules: readonly Rule[], along: Part, text: Part, at: Part): Part[] {
  if (rules.length === 0) return [];
  const data = { values: values(rules, 'fronts chart, limits') };
  const tooltip = [
    { field: 'text', title: 'Limit' },
    { field: 'of', title: 'Of' },
  ];
  return [
    {
      data,
      mark: { type: 'rule', color: COLORS.grey, clip: true },
      encoding: { ...along, tooltip },
    },
    {
      data,
      mark: { type: 'text', fontSize: 10, color: '#555555', aria: false, ...text },
      encoding: { ...along, ...at, text: { field: 'text' } },
    },
  ];
}
