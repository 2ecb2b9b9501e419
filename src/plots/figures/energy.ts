import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import type { DataNames } from '../parts/task-view.js';
import { COLORS } from '../parts/theme.js';
import type { EnergyRecord } from '../records.js';
import {
  baselineOf,
  changeBetween,
  changeWords,
  energyPanels,
  headOf,
  TOOLTIP,
  type EnergyPanel,
} from './energy-panels.js';

/** The two parts of a bar, from the axis outwards. */
const PARTS = ['computing', 'reading weights'] as const;

/**
 * Energy a token of each plan, split into computing and reading weights, with its change from the baseline
 * (the first plan of a task). Modelled and measured energy are never in one panel, and the title says which
 * it is.
 *
 * @throws {PlotError} when there are no records, a value is negative, or the baseline is 0.
 */
export function energyChart(records: readonly EnergyRecord[], names: DataNames = {}): ChartSpec {
  const { title, origins, models, notes } = headOf(records, names, 'energy a token');
  const rows = records.flatMap((record) => rowsOf(record, baselineOf(record, records)));
  return chart(
    `${origins} energy a token of ${models} at different plans, with the change from the unquantized model.`,
    {
      title: {
        text: title,
        subtitle: [`Energy a token of ${models}; numbers: change from the first plan`, ...notes],
      },
      data: { values: values(rows, 'energy chart') },
      ...energyPanels(records, names, layersOf, { x: 'independent', y: 'independent' }),
    },
  );
}

function rowsOf(record: EnergyRecord, baseline: EnergyRecord): object[] {
  const { microjoules, weightMicrojoules = 0, low, high } = record;
  const common = {
    ...record,
    weightMicrojoules,
    low: low ?? null,
    high: high ?? null,
    top: high ?? microjoules,
    changeText: record === baseline ? '' : changeWords(changeBetween(record, baseline)),
    energyText: `${microjoules.toPrecision(4)} µJ`,
  };
  const shares = [microjoules - weightMicrojoules, weightMicrojoules];
  return PARTS.map((part, order) => ({ ...common, part, order, value: shares[order] })).filter(
    ({ order }) => order === 0 || weightMicrojoules > 0,
  );
}

function layersOf({ records, y, yOffset, color }: EnergyPanel): Part[] {
  const largest = Math.max(...records.map(({ microjoules, high }) => high ?? microjoules));
  const x: Part = {
    type: 'quantitative',
    title: 'Energy a token (µJ)',
    // Room on the right for the change of the longest bar.
    scale: { domain: [0, 1.25 * largest || 1], nice: false },
    axis: { format: ',~r', tickCount: 5 },
  };
  const whole = { filter: 'datum.order === 0' };
  const spread: Part = {
    transform: [whole, { filter: 'isValid(datum.low)' }],
    mark: { type: 'rule', color: COLORS.black, aria: false },
    encoding: { y, yOffset, x: { ...x, field: 'low' }, x2: { field: 'high' } },
  };
  const opacity: Part = {
    field: 'part',
    type: 'ordinal',
    scale: { domain: PARTS, range: [1, 0.4] },
    legend: { title: null, orient: 'top' },
  };
  return [
    {
      mark: { type: 'bar' },
      encoding: {
        y,
        yOffset,
        x: { ...x, field: 'value', stack: 'zero' },
        order: { field: 'order' },
        color,
        ...(records.some(({ weightMicrojoules = 0 }) => weightMicrojoules > 0) && { opacity }),
        tooltip: [
          ...TOOLTIP,
          { field: 'weightMicrojoules', title: 'of it reading weights (µJ)', format: ',.4~r' },
          { field: 'changeText', title: 'Change' },
        ],
      },
    },
    ...(records.some(({ low, high }) => low !== undefined && high !== undefined) ? [spread] : []),
    {
      transform: [whole],
      mark: { type: 'text', align: 'left', dx: 4, fontSize: 10, aria: false },
      encoding: { y, yOffset, x: { ...x, field: 'top' }, text: { field: 'changeText' } },
    },
  ];
}
