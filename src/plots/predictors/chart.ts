import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { taskView, type DataNames } from '../parts/task-view.js';
import { COLORS } from '../parts/theme.js';
import type { BaselineRecord, PredictorRecord } from '../records.js';

const WIDTH = 190;
const ROW_HEIGHT = 26;

/**
 * Figures that can stand for the loss of a unit, a line each: how they order units beside the measured loss, the price
 * of a table of them, and the plan that they lead to within the same bytes, measured.
 *
 * @param question what the plans were made for: "module, within 2.9 MB"
 * @throws {PlotError} when there are no records.
 */
export function predictorsChart(
  records: readonly PredictorRecord[],
  baseline: BaselineRecord,
  question: string,
  names: DataNames = {},
): ChartSpec {
  const order = records.map(({ predictor }) => predictor);
  const view = taskView(baseline.task, names);
  const costs = records.map(({ cost }) => cost);
  const rows = records.map(({ rank, metric, ...record }) => ({
    ...record,
    ...(rank !== undefined && { rank, rankText: rank.toFixed(2).replace('-', '−') }),
    costText: Number.isInteger(record.cost) ? String(record.cost) : record.cost.toFixed(1),
    ...(Number.isFinite(metric)
      ? { metric, metricText: view.metric.format(metric) }
      : { metricText: 'broken' }),
  }));
  const scale: Part = { domain: order };
  const y: Part = { field: 'predictor', type: 'nominal', sort: order, scale, title: null };
  const hidden: Part = { ...y, axis: { labels: false, ticks: false } };
  return chart(
    `Predictors of the loss of units of ${baseline.model}: rank correlation with the measured loss, price, and the plan of each.`,
    {
      title: {
        text: 'What predicts the loss of a unit, its price, and the plan that it leads to',
        subtitle: [
          `${baseline.model}, ${view.title}; ${question}`,
          'Dashed: unquantized; bars: 95 % intervals of the difference to it, item by item',
        ],
      },
      data: { values: values(rows, 'predictors chart') },
      hconcat: [
        panel('Rank correlation with the measured loss', bars(y, 'rank', { domain: [-1, 1] })),
        panel(
          'Price (evaluations, square-root scale)',
          bars(hidden, 'cost', { type: 'sqrt', domain: [0, 1.4 * Math.max(1, ...costs)] }),
        ),
        panel('Its plan, measured', planLayers(hidden, baseline, view.format, view.axisTitle)),
      ],
      spacing: 18,
    },
  );

  function panel(title: string, layer: readonly Part[]): Part {
    return {
      width: WIDTH,
      height: records.length * ROW_HEIGHT,
      title: { text: title, fontSize: 12, fontWeight: 'normal' },
      layer,
    };
  }
}

/** Bars with their numbers at the end. */
function bars(y: Part, field: 'rank' | 'cost', scale: Part): Part[] {
  const x: Part = {
    ...{ field, type: 'quantitative', title: null, scale: { ...scale, nice: false } },
    // On a scale of square roots the numbers at the bars say more than ticks.
    axis: field === 'rank' ? { tickCount: 5 } : { labels: false, ticks: false, grid: false },
  };
  const drawn = [{ filter: `isValid(datum.${field})` }];
  return [
    {
      transform: drawn,
      mark: { type: 'bar', color: COLORS.blue, height: 14, aria: false },
      encoding: { x, y },
    },
    {
      // Beside the bar, whichever way it goes.
      transform: [...drawn, { calculate: `max(0, datum.${field})`, as: 'end' }],
      mark: { type: 'text', align: 'left', dx: 4, fontSize: 10, aria: false },
      encoding: { x: { ...x, field: 'end' }, y, text: { field: `${field}Text` } },
    },
  ];
}

function planLayers(
  y: Part,
  { metric }: BaselineRecord,
  format: string,
  title: string,
): readonly Part[] {
  const x: Part = {
    ...{ field: 'metric', type: 'quantitative', title },
    ...{ scale: { zero: false }, axis: { format, tickCount: 4 } },
  };
  return [
    {
      data: { values: [{ metric }] },
      mark: { type: 'rule', color: COLORS.black, strokeDash: [5, 4], aria: false },
      encoding: { x },
    },
    {
      transform: [{ filter: 'isValid(datum.pairedLow) && isValid(datum.metric)' }],
      mark: { type: 'rule', color: COLORS.grey, strokeWidth: 2, aria: false },
      encoding: { x: { ...x, field: 'pairedLow' }, x2: { field: 'pairedHigh' }, y },
    },
    {
      transform: [{ filter: 'isValid(datum.metric)' }],
      mark: { type: 'point', filled: true, size: 60, opacity: 1, color: COLORS.vermilion },
      encoding: {
        ...{ x, y },
        tooltip: [
          { field: 'predictor', title: 'Predictor' },
          { field: 'rankText', title: 'Rank correlation' },
          { field: 'costText', title: 'Price (evaluations)' },
          { field: 'metricText', title },
          { field: 'bytes', title: 'Bytes', format: ',' },
        ],
      },
    },
  ];
}
