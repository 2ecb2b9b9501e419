import { PlotError } from '../../util/errors.js';
import { groupBy } from '../../util/group.js';
import type { Part } from '../parts/part.js';
import { taskView, tasksOf, type DataNames } from '../parts/task-view.js';
import { CATEGORIES } from '../parts/theme.js';
import type { EnergyRecord, TaskName } from '../records.js';

/*
 * The frame of both energy figures: a row a plan, a bar an accounting, a panel a task and setting.
 */

const PANEL_WIDTH = 250;
/** Height of one bar in pixels. */
const BAR = 18;

const ORIGINS = ['modelled', 'measured'] as const;

/** Bars of one picture: modelled and measured energy are never in one panel. */
export interface EnergyPanel {
  readonly task: TaskName;
  readonly records: readonly EnergyRecord[];
  /** Encodings of a bar by its plan and its accounting. */
  readonly y: Part;
  readonly yOffset: Part;
  readonly color: Part;
}

type DrawLayers = (panel: EnergyPanel) => readonly Part[];

/**
 * A row of panels for each task and origin, a panel for each setting.
 *
 * @param scales of a row, beside colours and bars, which are shared.
 */
export function energyPanels(
  records: readonly EnergyRecord[],
  names: DataNames,
  layersOf: DrawLayers,
  scales: Part,
): Part {
  const rows = ORIGINS.flatMap((origin) => {
    const there = records.filter((record) => record.origin === origin);
    return tasksOf(there).map((task) => {
      const own = there.filter((record) => record.task === task);
      const settings = [...groupBy(own, ({ setting }) => setting).values()];
      return {
        hconcat: settings.map((members) => panelOf(members, names, layersOf)),
        spacing: 40,
        resolve: { scale: { color: 'shared', yOffset: 'shared', ...scales } },
      };
    });
  });
  return { vconcat: rows, resolve: { scale: { color: 'independent', yOffset: 'independent' } } };
}

/** A panel, titled "Articles (modelled)" over the setting. */
function panelOf(records: readonly EnergyRecord[], names: DataNames, layersOf: DrawLayers): Part {
  const [{ task, origin, setting }] = records;
  const plans = [...new Set(records.map(({ plan }) => plan))];
  const accountings = [...new Set(records.map(({ accounting }) => accounting))];
  const text = `${taskView(task, names).title} (${origin})`;
  const [a, b, c] = [task, origin, setting].map((value) => JSON.stringify(value));
  const y = {
    field: 'plan',
    type: 'nominal',
    title: null,
    scale: { domain: plans, paddingInner: 0.25 },
    axis: { grid: false, ticks: false, domain: false, labelLimit: 60 },
  };
  const yOffset = { field: 'accounting', type: 'nominal', scale: { domain: accountings } };
  const color = {
    field: 'accounting',
    type: 'nominal',
    scale: { domain: accountings, range: CATEGORIES.slice(0, accountings.length) },
    legend: { title: null, orient: 'top' },
  };
  return {
    width: PANEL_WIDTH,
    height: plans.length * (accountings.length * BAR + 8),
    title: { text, fontSize: 13, subtitle: setting, subtitleFontSize: 11 },
    transform: [
      { filter: `datum.task === ${a} && datum.origin === ${b} && datum.setting === ${c}` },
    ],
    layer: layersOf({ task, records, y, yOffset, color }),
  };
}

/** Rows of a bar's tooltip, all but its change. */
export const TOOLTIP: readonly Part[] = [
  { field: 'plan', title: 'Plan' },
  { field: 'accounting', title: 'Counted' },
  { field: 'origin', title: 'Origin' },
  { field: 'setting', title: 'Setting' },
  { field: 'energyText', title: 'Energy a token' },
];

/** The unquantized model's energy in the same task, setting and accounting: the first plan. */
export function baselineOf(record: EnergyRecord, records: readonly EnergyRecord[]): EnergyRecord {
  const same = ['task', 'accounting', 'origin', 'setting'] as const;
  // There is at least the record itself.
  return records.find((other) => same.every((member) => other[member] === record[member]))!;
}

/** "−20.0 %", "+5.0 %" */
export function changeText(change: number): string {
  const percent = (100 * change).toFixed(1);
  return `${percent.startsWith('-') ? percent.replace('-', '−') : `+${percent}`} %`;
}

interface Head {
  /** "Modelled and measured" */
  readonly title: string;
  readonly models: string;
  readonly notes: readonly string[];
}

/** Origins and models of the records, for titles. @throws {PlotError} for energy below 0. */
export function headOf(records: readonly EnergyRecord[]): Head {
  const negative = records.find(({ microjoules }) => microjoules < 0);
  if (negative !== undefined)
    throw new PlotError({
      what: 'negative energy',
      where: `energy chart, ${negative.plan}, ${negative.accounting}`,
      got: String(negative.microjoules),
    });
  const origins = ORIGINS.filter((origin) => records.some((record) => record.origin === origin));
  return {
    title: origins.join(' and ').replace(/^./, (letter) => letter.toUpperCase()),
    models: [...new Set(records.map(({ model }) => model))].join(', '),
    notes: origins.includes('modelled')
      ? ['Modelled: operations and bits counted × energy constants at 45 nm; no meter was read']
      : [],
  };
}
