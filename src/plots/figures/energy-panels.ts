import { PlotError } from '../../util/errors.js';
import type { Part } from '../parts/part.js';
import type { EnergyRecord, TaskName } from '../records.js';
import { taskView, tasksOf, type DataNames } from '../parts/task-view.js';
import { CATEGORIES } from '../parts/theme.js';

/** What both energy figures are made of: a row a plan, a bar an accounting, a panel a task and setting. */

export const PANEL_WIDTH = 250;
/** Height of one bar in pixels. */
const BAR = 18;

/** Bars of one picture: modelled and measured energy are never in one panel. */
export interface EnergyPanel {
  readonly task: TaskName;
  readonly origin: EnergyRecord['origin'];
  readonly setting: string;
  readonly records: readonly EnergyRecord[];
  readonly plans: readonly string[];
}

/** A row of panels for each task and origin, a panel for each setting. */
export function energyPanels(records: readonly EnergyRecord[]): EnergyPanel[][] {
  return (['modelled', 'measured'] as const).flatMap((origin) =>
    tasksOf(records.filter((record) => record.origin === origin)).map((task) => {
      const own = records.filter((record) => record.task === task && record.origin === origin);
      return [...new Set(own.map(({ setting }) => setting))].map((setting) => {
        const there = own.filter((record) => record.setting === setting);
        const plans = [...new Set(there.map(({ plan }) => plan))];
        return { task, origin, setting, records: there, plans };
      });
    }),
  );
}

/** "Articles (modelled)" over the setting. */
export function panelTitle({ task, origin, setting }: EnergyPanel, names: DataNames): Part {
  const text = `${taskView(task, names).title} (${origin})`;
  return { text, fontSize: 13, subtitle: setting, subtitleFontSize: 11 };
}

export function panelFilter({ task, origin, setting }: EnergyPanel): Part {
  const [a, b, c] = [task, origin, setting].map((value) => JSON.stringify(value));
  return { filter: `datum.task === ${a} && datum.origin === ${b} && datum.setting === ${c}` };
}

export function accountingsOf(records: readonly EnergyRecord[]): string[] {
  return [...new Set(records.map(({ accounting }) => accounting))];
}

export function panelHeight(plans: number, accountings: number): number {
  return plans * (accountings * BAR + 8);
}

export function planAxis(plans: readonly string[]): Part {
  return {
    field: 'plan',
    type: 'nominal',
    title: null,
    scale: { domain: plans, paddingInner: 0.25 },
    axis: { grid: false, ticks: false, domain: false, labelLimit: 60 },
  };
}

export function accountingOffset(accountings: readonly string[]): Part {
  return { field: 'accounting', type: 'nominal', scale: { domain: accountings } };
}

export function accountingColor(accountings: readonly string[]): Part {
  return {
    field: 'accounting',
    type: 'nominal',
    scale: { domain: accountings, range: CATEGORIES.slice(0, accountings.length) },
    legend: { title: null, orient: 'top' },
  };
}

/** The unquantized model's energy in the same task, setting and accounting: the first plan. */
export function baselineOf(record: EnergyRecord, records: readonly EnergyRecord[]): EnergyRecord {
  // There is at least the record itself.
  return records.find(
    ({ task, accounting, origin, setting }) =>
      task === record.task &&
      accounting === record.accounting &&
      origin === record.origin &&
      setting === record.setting,
  )!;
}

/** "−20.0 %", "+5.0 %" */
export function changeText(change: number): string {
  const percent = (100 * change).toFixed(1);
  return `${percent.startsWith('-') ? percent.replace('-', '−') : `+${percent}`} %`;
}

/** @throws {PlotError} for energy below 0. */
export function checkEnergies(records: readonly EnergyRecord[]): void {
  const negative = records.find(({ microjoules }) => microjoules < 0);
  if (negative !== undefined)
    throw new PlotError({
      what: 'negative energy',
      where: `energy chart, ${negative.plan}, ${negative.accounting}`,
      got: String(negative.microjoules),
    });
}

/** "Modelled and measured", and what to say of the first. */
export function originsOf(records: readonly EnergyRecord[]): { title: string; notes: string[] } {
  const origins = (['modelled', 'measured'] as const).filter((origin) =>
    records.some((record) => record.origin === origin),
  );
  return {
    title: origins.join(' and ').replace(/^./, (letter) => letter.toUpperCase()),
    notes: origins.includes('modelled')
      ? ['Modelled: operations and bits counted × energy constants at 45 nm; no meter was read']
      : [],
  };
}
