import { PlotError } from '../../util/errors.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import type { DataNames } from '../parts/task-view.js';
import { COLORS } from '../parts/theme.js';
import type { EnergyRecord, PaperPowerRecord } from '../records.js';
import {
  baselineOf,
  changeText,
  energyPanels,
  headOf,
  TOOLTIP,
  type EnergyPanel,
} from './energy-panels.js';

export interface EnergyChangeOptions {
  /** The range that the paper reports for power, to lay ours beside. */
  readonly paper?: readonly PaperPowerRecord[];
}

/**
 * Fig. 10: the change of a token's energy from the unquantized model's (the first plan of a task). A bar
 * stands for the middle of the published constants, its line for their ends.
 *
 * @throws {PlotError} when there are no records but the baseline, a value is negative or the baseline is 0.
 */
export function energyChangeChart(
  records: readonly EnergyRecord[],
  { paper = [] }: EnergyChangeOptions = {},
  names: DataNames = {},
): ChartSpec {
  const { title, models, notes } = headOf(records);
  const changed = records.filter((record) => record !== baselineOf(record, records));
  const rows = changed.map((record) => rowOf(record, baselineOf(record, records)));
  const widest = Math.min(0, ...rows.map(({ change, left }) => Math.min(change, left ?? change)));
  const most = Math.max(0, ...rows.map(({ change }) => change));
  // Room on the left for the text of the longest bar.
  const domain = [Math.min(-0.25, widest) * 1.3, most];
  const theirs = paper.length > 0 ? ['Grey: the range of power that the paper reports'] : [];
  const layers = (panel: EnergyPanel): Part[] => layersOf(panel, paper, domain);
  return chart(
    `${title} energy a token of ${models}: the change of each plan from the unquantized model.`,
    {
      title: {
        text: `${title} energy, change from the unquantized model`,
        subtitle: [models, ...notes, ...theirs],
      },
      data: { values: values(rows, 'energy change chart') },
      ...energyPanels(changed, names, layers, { y: 'independent' }),
    },
  );
}

interface ChangeRow {
  readonly change: number;
  /** From the ends of the constants; null without. */
  readonly left: number | null;
  readonly right: number | null;
}

function rowOf(record: EnergyRecord, baseline: EnergyRecord): ChangeRow {
  if (baseline.microjoules === 0)
    throw new PlotError({
      what: 'no energy to compare with',
      where: `energy change chart, ${baseline.plan}, ${baseline.accounting}`,
      got: '0 µJ',
      expected: 'above 0',
    });
  const change = record.microjoules / baseline.microjoules - 1;
  const ends = [changeOf(record.low, baseline.low), changeOf(record.high, baseline.high)].filter(
    (end) => end !== undefined,
  );
  const bounded = ends.length === 2 && record.origin === 'modelled';
  return {
    ...record,
    low: null,
    high: null,
    change,
    left: bounded ? Math.min(...ends) : null,
    right: bounded ? Math.max(...ends) : null,
    text: changeText(change),
    energyText: `${record.microjoules.toPrecision(4)} µJ`,
  } as ChangeRow;
}

/** The same constant on both sides. */
function changeOf(own: number | undefined, baseline: number | undefined): number | undefined {
  return own !== undefined && baseline !== undefined && baseline > 0
    ? own / baseline - 1
    : undefined;
}

function layersOf(
  { task, y, yOffset, color }: EnergyPanel,
  paper: readonly PaperPowerRecord[],
  domain: readonly number[],
): Part[] {
  const x: Part = {
    type: 'quantitative',
    title: 'Change of energy (%)',
    scale: { domain, nice: false },
    // Room for text is no change: nothing falls by more than all of it.
    axis: { format: '~%', tickCount: 5, labelExpr: "datum.value < -1 ? '' : datum.label" },
  };
  const theirs = paper.find((each) => each.task === task);
  return [
    ...(theirs === undefined ? [] : [band(theirs, x)]),
    {
      mark: { type: 'bar' },
      encoding: {
        y,
        yOffset,
        x: { ...x, field: 'change' },
        color,
        tooltip: [...TOOLTIP, { field: 'text', title: 'Change' }],
      },
    },
    {
      transform: [{ filter: 'isValid(datum.left)' }],
      mark: { type: 'rule', color: COLORS.black, aria: false },
      encoding: { y, yOffset, x: { ...x, field: 'left' }, x2: { field: 'right' } },
    },
    {
      transform: [
        { calculate: 'min(datum.change, isValid(datum.left) ? datum.left : 0)', as: 'end' },
      ],
      mark: { type: 'text', align: 'right', dx: -4, fontSize: 10, aria: false },
      encoding: { y, yOffset, x: { ...x, field: 'end' }, text: { field: 'text' } },
    },
  ];
}

/** The paper's range over the whole height of a panel. */
function band({ least, most, source }: PaperPowerRecord, x: Part): Part {
  const text = `Power in the paper: ${changeText(-most)} to ${changeText(-least)} (${source})`;
  return {
    data: { values: [{ from: -most, to: -least, text }] },
    mark: { type: 'rect', color: COLORS.pale },
    encoding: {
      x: { ...x, field: 'from' },
      x2: { field: 'to' },
      tooltip: { field: 'text', title: 'Paper' },
    },
  };
}
