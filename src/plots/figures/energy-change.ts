import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { taskView, type DataNames } from '../parts/task-view.js';
import { COLORS } from '../parts/theme.js';
import type { EnergyRecord, PaperPowerRecord } from '../records.js';
import {
  baselineOf,
  changeBetween,
  changeText,
  changeWords,
  energyPanels,
  headOf,
  TOOLTIP,
  type EnergyChange,
  type EnergyPanel,
} from './energy-panels.js';

/** Dark enough on a bar and on white. */
const PAPER = '#7a2f5d';
const PAPER_WIDTH = 250;

export interface EnergyChangeOptions {
  /** The range that the paper reports for power, to lay ours beside. */
  readonly paper?: readonly PaperPowerRecord[];
}

/**
 * Fig. 10: the change of a token's energy from the unquantized model's (the first plan of a task). A bar
 * stands for the middle of the published constants, its line for their ends; measured, for the paired change
 * and its 95 % interval. With measured records the paper's range has a panel of its own.
 *
 * @throws {PlotError} when there are no records but the baseline, a value is negative or the baseline is 0.
 */
export function energyChangeChart(
  records: readonly EnergyRecord[],
  { paper = [] }: EnergyChangeOptions = {},
  names: DataNames = {},
): ChartSpec {
  const { title, origins, models, notes } = headOf(
    records,
    names,
    'energy, change from the unquantized model',
  );
  const changed = records.filter((record) => record !== baselineOf(record, records));
  const rows = changed.map((record) => rowOf(record, baselineOf(record, records)));
  const widest = Math.min(0, ...rows.map(({ change, left }) => Math.min(change, left ?? change)));
  const most = Math.max(0, ...rows.map(({ change, right }) => Math.max(change, right ?? change)));
  // Room on the left for the text of the longest bar.
  const domain = [Math.min(-0.25, widest) * 1.3, most];
  // Beside measured energy the paper's range has a panel of its own: none holds numbers of two origins.
  const apart = records.some(({ origin }) => origin === 'measured');
  const theirs =
    paper.length > 0 && !apart
      ? ['Purple, dashed at its ends: the range of power that the paper reports']
      : [];
  const layers = (panel: EnergyPanel): Part[] => layersOf(panel, apart ? [] : paper, domain);
  const panels = energyPanels(changed, names, layers, { y: 'independent' });
  const own = apart ? paper.map((each) => paperPanel(each, domain, names)) : [];
  return chart(
    `${origins} energy a token of ${models}: the change of each plan from the unquantized model.`,
    {
      title: {
        text: title,
        subtitle: [`${models}; change from the unquantized model`, ...notes, ...theirs],
      },
      data: { values: values(rows, 'energy change chart') },
      ...panels,
      ...(own.length > 0 && { vconcat: [...(panels.vconcat as readonly Part[]), ...own] }),
    },
  );
}

type ChangeRow = EnergyChange & object;

function rowOf(record: EnergyRecord, baseline: EnergyRecord): ChangeRow {
  const change = changeBetween(record, baseline);
  return {
    ...{ ...record, low: null, high: null },
    ...change,
    text: changeWords(change),
    energyText: `${record.microjoules.toPrecision(4)} µJ`,
  } as ChangeRow;
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
    // Over the bars, which reach across it.
    ...(theirs === undefined ? [] : paperLayers(theirs, x)),
  ];
}

/** The paper's range alone. */
function paperPanel(record: PaperPowerRecord, domain: readonly number[], names: DataNames): Part {
  const x: Part = {
    type: 'quantitative',
    title: 'Change of power (%)',
    scale: { domain, nice: false },
    axis: { format: '~%', tickCount: 5, labelExpr: "datum.value < -1 ? '' : datum.label" },
  };
  return {
    width: PAPER_WIDTH,
    height: 30,
    title: {
      ...{ text: `${taskView(record.task, names).title} (the paper)`, fontSize: 13 },
      ...{ subtitle: `power of all its cases, ${record.source}`, subtitleFontSize: 11 },
    },
    layer: paperLayers(record, x),
  };
}

/** The paper's range over the whole height of a panel, with its ends. */
function paperLayers({ least, most, source }: PaperPowerRecord, x: Part): Part[] {
  const text = `Power in the paper: ${changeText(-most)} to ${changeText(-least)} (${source})`;
  const end = (at: number): Part => ({
    data: { values: [{ at }] },
    mark: { type: 'rule', color: PAPER, strokeWidth: 1, strokeDash: [4, 3], aria: false },
    encoding: { x: { ...x, field: 'at' } },
  });
  return [
    {
      data: { values: [{ from: -most, to: -least, text }] },
      mark: { type: 'rect', color: COLORS.purple, fillOpacity: 0.35 },
      encoding: {
        x: { ...x, field: 'from' },
        x2: { field: 'to' },
        tooltip: { field: 'text', title: 'Paper' },
      },
    },
    end(-most),
    end(-least),
  ];
}
