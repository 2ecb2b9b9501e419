import { PlotError } from '../../util/errors.js';
import { groupBy } from '../../util/group.js';
import { findingTitle, type Finding } from '../parts/findings.js';
import type { Part } from '../parts/part.js';
import { taskView, tasksOf, type DataNames } from '../parts/task-view.js';
import { linesOf } from '../parts/text-width.js';
import { CATEGORIES } from '../parts/theme.js';
import type { EnergyRecord, TaskName } from '../records.js';

/*
 * The frame of both energy figures: a row a plan, a bar an accounting, a panel a task and setting.
 */

const PANEL_WIDTH = 250;
/** Height of one bar in pixels. */
const BAR = 18;
/** Of the names of plans, in pixels. */
const NAME_WIDTH = 60;
const LABEL_SIZE = 11;

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
    axis: {
      ...{ grid: false, ticks: false, domain: false, labelLimit: NAME_WIDTH },
      // A bar may be that of several plans: "a1, a2, a3, a4" on as many lines as it takes.
      labelExpr: `(${JSON.stringify(labelsOf(plans))})[datum.value]`,
    },
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

function labelsOf(plans: readonly string[]): Record<string, string[]> {
  const lines = (plan: string): string[] => linesOf(plan, LABEL_SIZE, false, NAME_WIDTH);
  return Object.fromEntries(plans.map((plan) => [plan, lines(plan)]));
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

/** A change as it is written at a bar: of a measured one whose interval has 0 in it, that noise makes as much. */
export function changeWords({ change, interval }: EnergyChange): string {
  const [left, right] = interval ?? [change, change];
  const noise = interval !== undefined && left <= 0 && right >= 0;
  return `${changeText(change)}${noise ? ', within noise' : ''}`;
}

interface Head {
  /** The finding, or "Measured energy a token". */
  readonly title: string | string[];
  /** "Modelled and measured" */
  readonly origins: string;
  readonly models: string;
  readonly notes: readonly string[];
}

/**
 * Origins and models of the records, for titles. That energy is modelled is said by each panel, once; beside
 * it, here, only how it is counted. @throws {PlotError} for energy below 0.
 */
export function headOf(records: readonly EnergyRecord[], names: DataNames, subject: string): Head {
  const negative = records.find(({ microjoules }) => microjoules < 0);
  if (negative !== undefined)
    throw new PlotError({
      what: 'negative energy',
      where: `energy chart, ${negative.plan}, ${negative.accounting}`,
      got: String(negative.microjoules),
    });
  const present = ORIGINS.filter((origin) => records.some((record) => record.origin === origin));
  const origins = present.join(' and ').replace(/^./, (letter) => letter.toUpperCase());
  const modelled = present.includes('modelled');
  const counted = present.length === 1 && modelled;
  const findings = tasksOf(records).map((task): Finding => {
    const own = records.filter((record) => record.task === task);
    return { title: taskView(task, names).title, text: counted ? findingOf(own) : undefined };
  });
  const capital = subject.replace(/^./, (letter) => letter.toUpperCase());
  return {
    title: findingTitle(counted ? capital : `${origins} ${subject}`, findings),
    origins,
    models: [...new Set(records.map(({ model }) => model))].join(', '),
    notes: modelled
      ? ['Operations and bits counted × energy constants at 45 nm; no meter was read']
      : [],
  };
}

/** The largest fall in each setting, by the first accounting: in words of a count, no measurement. */
function findingOf(records: readonly EnergyRecord[]): string | undefined {
  const [{ accounting }] = records;
  const own = records.filter((record) => record.accounting === accounting);
  const falls = [...groupBy(own, ({ setting }) => setting)].flatMap(([setting, members]) => {
    const changed = members.filter((record) => record !== baselineOf(record, records));
    const changes = changed.map((record) => changeBetween(record, baselineOf(record, records)));
    const [best] = changes.sort((a, b) => a.change - b.change) as (EnergyChange | undefined)[];
    if (best === undefined) return [];
    // With other constants it might be a rise.
    const certain = Math.max(best.change, best.right ?? best.change) < 0;
    return [{ setting, text: certain ? `${(-100 * best.change).toFixed(1)} %` : 'nothing sure' }];
  });
  if (falls.length === 0) return undefined;
  const each = falls.map(({ setting, text }) => `${text} (${setting})`);
  return `By count, ${accounting}, a token’s energy falls by up to ${each.join(' or ')}`;
}

/** A change of energy from the baseline's, as a share, with its ends. */
export interface EnergyChange {
  readonly change: number;
  /** From the ends of the constants, or of a measured interval; null without. */
  readonly left: number | null;
  readonly right: number | null;
  /** 95 %, of a measured change. */
  readonly interval?: readonly [low: number, high: number];
}

/** A measured change with its own interval, else the same constant on both sides. @throws {PlotError} when the baseline takes no energy. */
export function changeBetween(record: EnergyRecord, baseline: EnergyRecord): EnergyChange {
  if (record.change !== undefined) {
    const { value, low, high } = record.change;
    return { change: value, left: low, right: high, interval: [low, high] };
  }
  if (baseline.microjoules === 0)
    throw new PlotError({
      what: 'no energy to compare with',
      where: `energy change chart, ${baseline.plan}, ${baseline.accounting}`,
      got: '0 µJ',
      expected: 'above 0',
    });
  const ends = [changeOf(record.low, baseline.low), changeOf(record.high, baseline.high)].filter(
    (end) => end !== undefined,
  );
  const bounded = ends.length === 2 && record.origin === 'modelled';
  return {
    change: record.microjoules / baseline.microjoules - 1,
    left: bounded ? Math.min(...ends) : null,
    right: bounded ? Math.max(...ends) : null,
  };
}

function changeOf(own: number | undefined, baseline: number | undefined): number | undefined {
  return own !== undefined && baseline !== undefined && baseline > 0
    ? own / baseline - 1
    : undefined;
}
