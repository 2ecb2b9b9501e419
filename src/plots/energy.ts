import { PlotError } from '../util/errors.js';
import type { Part } from './part.js';
import type { EnergyRecord } from './records.js';
import { chart, values, type ChartSpec } from './spec.js';
import { taskView, tasksOf, type DataNames } from './task-view.js';
import { CATEGORIES, COLORS } from './theme.js';

const WIDTH = 250;
/** Height of one bar in pixels. */
const BAR = 18;

/**
 * Fig. 10: energy a token of each plan, with its change from the baseline (the first plan of a task).
 * Modelled and measured energy are never in one panel, and the title says which it is.
 *
 * @throws {PlotError} when there are no records, or a value is negative.
 */
export function energyChart(records: readonly EnergyRecord[], names: DataNames = {}): ChartSpec {
  const origins = (['modelled', 'measured'] as const).filter((origin) =>
    records.some((record) => record.origin === origin),
  );
  const tasks = tasksOf(records);
  const rows = records.map((record) => rowOf(record, baselineOf(record, records)));
  const models = [...new Set(records.map(({ model }) => model))].join(', ');
  const title = origins.join(' and ').replace(/^./, (letter) => letter.toUpperCase());
  const modelled = origins.includes('modelled')
    ? ['Modelled: operations counted × energy constants at 45 nm; no power meter was read']
    : [];
  return chart(
    `${title} energy a token of ${models} at different plans, with the change from the unquantized model.`,
    {
      title: {
        text: `${title} energy a token`,
        subtitle: [`${models}; numbers: change from the first plan`, ...modelled],
      },
      data: { values: values(rows, 'energy chart') },
      vconcat: origins.map((origin) => ({
        hconcat: tasks
          .filter((task) => records.some((each) => each.task === task && each.origin === origin))
          .map((task) => {
            const own = records.filter((each) => each.task === task && each.origin === origin);
            return panel(own, `${taskView(task, names).title} (${origin})`);
          }),
        spacing: 40,
        resolve: {
          scale: { color: 'shared', yOffset: 'shared', x: 'independent', y: 'independent' },
        },
      })),
      resolve: { scale: { color: 'independent', yOffset: 'independent' } },
    },
  );
}

function baselineOf(record: EnergyRecord, records: readonly EnergyRecord[]): number {
  const same = ({ task, accounting, origin }: EnergyRecord): boolean =>
    task === record.task && accounting === record.accounting && origin === record.origin;
  // There is at least the record itself.
  return records.find(same)!.microjoules;
}

function rowOf(record: EnergyRecord, baseline: number): object {
  const { plan, accounting, microjoules, low, high } = record;
  if (microjoules < 0)
    throw new PlotError({
      what: 'negative energy',
      where: `energy chart, ${plan}, ${accounting}`,
      got: String(microjoules),
    });
  const change = 100 * (microjoules / baseline - 1);
  const text = microjoules === baseline ? '' : `${change.toFixed(1).replace('-', '−')} %`;
  return {
    ...record,
    low: low ?? null,
    high: high ?? null,
    top: high ?? microjoules,
    changeText: text,
    energyText: `${microjoules.toPrecision(4)} µJ`,
  };
}

function panel(own: readonly EnergyRecord[], title: string): Part {
  const [{ task, origin }] = own;
  const plans = [...new Set(own.map(({ plan }) => plan))];
  const accountings = [...new Set(own.map(({ accounting }) => accounting))];
  const largest = Math.max(...own.map(({ microjoules, high }) => high ?? microjoules));
  const y: Part = {
    field: 'plan',
    type: 'nominal',
    title: null,
    scale: { domain: plans, paddingInner: 0.25 },
    axis: { grid: false, ticks: false, domain: false, labelLimit: 60 },
  };
  const yOffset: Part = { field: 'accounting', type: 'nominal', scale: { domain: accountings } };
  const x: Part = {
    field: 'microjoules',
    type: 'quantitative',
    title: 'Energy a token (µJ)',
    // Room on the right for the change of the longest bar.
    scale: { domain: [0, 1.2 * largest || 1], nice: false },
    axis: { format: ',~g', tickCount: 5 },
  };
  const spread: Part = {
    transform: [{ filter: 'isValid(datum.low)' }],
    mark: { type: 'rule', color: COLORS.black, aria: false },
    encoding: { y, yOffset, x: { ...x, field: 'low' }, x2: { field: 'high' } },
  };
  return {
    width: WIDTH,
    height: plans.length * (accountings.length * BAR + 8),
    title: { text: title, fontSize: 13 },
    transform: [{ filter: `datum.task === '${task}' && datum.origin === '${origin}'` }],
    layer: [
      {
        mark: { type: 'bar' },
        encoding: {
          y,
          yOffset,
          x,
          color: {
            field: 'accounting',
            type: 'nominal',
            scale: { domain: accountings, range: CATEGORIES.slice(0, accountings.length) },
            legend: { title: null, orient: 'top' },
          },
          tooltip: [
            { field: 'plan', title: 'Plan' },
            { field: 'accounting', title: 'Counted' },
            { field: 'origin', title: 'Origin' },
            { field: 'energyText', title: 'Energy a token' },
            { field: 'changeText', title: 'Change' },
          ],
        },
      },
      ...(own.some(({ low, high }) => low !== undefined && high !== undefined) ? [spread] : []),
      {
        mark: { type: 'text', align: 'left', dx: 4, fontSize: 10, aria: false },
        encoding: { y, yOffset, x: { ...x, field: 'top' }, text: { field: 'changeText' } },
      },
    ],
  };
}
