import {
  accountingColor,
  accountingOffset,
  accountingsOf,
  baselineOf,
  changeText,
  checkEnergies,
  energyPanels,
  originsOf,
  PANEL_WIDTH,
  panelFilter,
  panelHeight,
  panelTitle,
  planAxis,
  type EnergyPanel,
} from './energy-panels.js';
import type { Part } from '../parts/part.js';
import type { EnergyRecord } from '../records.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import type { DataNames } from '../parts/task-view.js';
import { COLORS } from '../parts/theme.js';

/** The two parts of a bar, from the axis outwards. */
const PARTS = ['computing', 'reading weights'] as const;

/**
 * Energy a token of each plan, split into computing and reading weights, with its change from the baseline
 * (the first plan of a task). Modelled and measured energy are never in one panel, and the title says which
 * it is.
 *
 * @throws {PlotError} when there are no records, or a value is negative.
 */
export function energyChart(records: readonly EnergyRecord[], names: DataNames = {}): ChartSpec {
  checkEnergies(records);
  const rows = records.flatMap((record) => rowsOf(record, baselineOf(record, records)));
  const models = [...new Set(records.map(({ model }) => model))].join(', ');
  const { title, notes } = originsOf(records);
  return chart(
    `${title} energy a token of ${models} at different plans, with the change from the unquantized model.`,
    {
      title: {
        text: `${title} energy a token`,
        subtitle: [`${models}; numbers: change from the first plan`, ...notes],
      },
      data: { values: values(rows, 'energy chart') },
      vconcat: energyPanels(records).map((row) => ({
        hconcat: row.map((panel) => energyPanel(panel, names)),
        spacing: 40,
        resolve: {
          scale: { color: 'shared', yOffset: 'shared', x: 'independent', y: 'independent' },
        },
      })),
      resolve: { scale: { color: 'independent', yOffset: 'independent' } },
    },
  );
}

function rowsOf(record: EnergyRecord, baseline: EnergyRecord): object[] {
  const { microjoules, weightMicrojoules = 0, low, high } = record;
  const change = microjoules / baseline.microjoules - 1;
  const common = {
    ...record,
    weightMicrojoules,
    low: low ?? null,
    high: high ?? null,
    top: high ?? microjoules,
    changeText: record === baseline ? '' : changeText(change),
    energyText: `${microjoules.toPrecision(4)} µJ`,
  };
  const shares = [microjoules - weightMicrojoules, weightMicrojoules];
  return PARTS.map((part, order) => ({ ...common, part, order, value: shares[order] })).filter(
    ({ order }) => order === 0 || weightMicrojoules > 0,
  );
}

function energyPanel(panel: EnergyPanel, names: DataNames): Part {
  const { records, plans } = panel;
  const accountings = accountingsOf(records);
  const largest = Math.max(...records.map(({ microjoules, high }) => high ?? microjoules));
  const y = planAxis(plans);
  const yOffset = accountingOffset(accountings);
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
  return {
    width: PANEL_WIDTH,
    height: panelHeight(plans.length, accountings.length),
    title: panelTitle(panel, names),
    transform: [panelFilter(panel)],
    layer: [
      {
        mark: { type: 'bar' },
        encoding: {
          y,
          yOffset,
          x: { ...x, field: 'value', stack: 'zero' },
          order: { field: 'order' },
          color: accountingColor(accountings),
          ...(records.some(({ weightMicrojoules = 0 }) => weightMicrojoules > 0) && {
            opacity: {
              field: 'part',
              type: 'ordinal',
              scale: { domain: PARTS, range: [1, 0.4] },
              legend: { title: null, orient: 'top' },
            },
          }),
          tooltip: [
            { field: 'plan', title: 'Plan' },
            { field: 'accounting', title: 'Counted' },
            { field: 'origin', title: 'Origin' },
            { field: 'setting', title: 'Setting' },
            { field: 'energyText', title: 'Energy a token' },
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
    ],
  };
}
