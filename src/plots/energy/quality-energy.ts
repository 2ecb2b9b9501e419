import {
  brushed,
  frontRings,
  HEIGHT,
  LEGEND_PARAMETER,
  LINKED,
  pinnedRing,
  PINNED_PARAMETER,
  qualityAxis,
  seriesLooks,
  SHOWN,
  tooltip,
  WIDTH,
  type Axes,
} from '../figures/pareto-layers.js';
import { SERIES, type DrawnEnergy, type ParetoRow } from '../figures/pareto-rows.js';
import type { Part } from '../parts/part.js';
import type { TaskView } from '../parts/task-view.js';
import { COLORS, STAR } from '../parts/theme.js';

/** Weights that are looked at beside the one that is set at first. */
const WEIGHTS = [0, 0.05, 0.1, 0.2, 0.5, 1, 2, 5] as const;

/** The weights of modelled energy that a slider stops at, in rising order. */
export function energyWeights({ weight }: DrawnEnergy): number[] {
  return [...new Set([...WEIGHTS, weight])].sort((one, other) => one - other);
}

/**
 * The signals of a figure with a third objective: `energyPlace` with a slider and of it `energyWeight`; `brush`
 * and `pinned`, each over both panels; `series` of the legend.
 */
export function energyParameters(energy: DrawnEnergy): Part[] {
  const stops = energyWeights(energy);
  const views = Object.values(LINKED);
  return [
    {
      name: 'energyPlace',
      value: stops.indexOf(energy.weight),
      bind: {
        ...{ input: 'range', min: 0, max: stops.length - 1, step: 1 },
        name: `ε: weight of modelled energy, of ${stops.join(', ')}`,
      },
    },
    { name: 'energyStops', value: stops },
    { name: 'energyWeight', expr: 'energyStops[energyPlace]' },
    { name: 'brush', select: { type: 'interval' }, views },
    { ...PINNED_PARAMETER, views },
    { ...LEGEND_PARAMETER, views: [LINKED.memory] },
  ];
}

/** Quality against modelled energy: the same plans as in the panel above, linked with it. */
export function energyView(
  rows: readonly ParetoRow[],
  axes: Axes,
  view: TaskView,
  { counted }: DrawnEnergy,
): Part {
  const known = rows.flatMap(({ energy }) => (typeof energy === 'number' ? [energy] : []));
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const pad = 0.05 * (most - least) || 0.05 * most;
  const x: Part = {
    field: 'energy',
    type: 'quantitative',
    title: 'Modelled energy a token (µJ)',
    scale: { domain: [least - pad, most + pad], nice: false, zero: false },
  };
  const y = qualityAxis(axes, view);
  const own = { filter: 'isValid(datum.energy)' };
  const { look } = seriesLooks(rows, null);
  return {
    width: WIDTH,
    height: HEIGHT,
    title: {
      text: `The same plans by energy, ${counted}; no meter was read`,
      ...{ fontSize: 12, fontWeight: 'normal', offset: 4, frame: 'group' },
    },
    transform: [own],
    layer: [
      {
        transform: [{ filter: `datum.series === '${SERIES.fp32}'` }],
        mark: {
          ...{ type: 'rule', strokeDash: [5, 4], strokeWidth: 1 },
          ...{ color: COLORS.black, aria: false },
        },
        encoding: { y },
      },
      frontRings(x, y),
      {
        name: LINKED.energy,
        transform: [{ filter: '!datum.bound' }, { filter: { param: 'series' } }],
        mark: { type: 'point', filled: true, size: 60, opacity: 1, clip: true },
        encoding: {
          ...{ x, y },
          ...{ color: look(0), shape: look(1) },
          fillOpacity: brushed('datum.feasible || datum.cells.length === 0'),
          tooltip: tooltip(view, true),
        },
      },
      pinnedRing(x, y),
      {
        transform: [SHOWN],
        mark: {
          ...{ type: 'point', filled: true, size: 260, shape: STAR, opacity: 1, clip: true },
          ...{ color: COLORS.vermilion, stroke: '#ffffff', strokeWidth: 1 },
        },
        encoding: { x, y, tooltip: tooltip(view, true) },
      },
    ],
  };
}
