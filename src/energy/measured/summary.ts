import { isReading, type MeterReading } from '../meters/meter.js';
import type { MeasuredWindow, MeasuredWindows } from './procedure.js';
import {
  changeEstimate,
  driftOf,
  mean,
  meanEstimate,
  verdictOf,
  type ChangeVerdict,
  type Estimate,
} from './statistics.js';

/** A plan's measured energy by one meter. Absent numbers were not measured; none stands for zero. */
export interface MeasuredRow {
  readonly origin: 'measured';
  readonly meter: string;
  readonly covers: string;
  readonly resolution: string;
  readonly plan: string;
  /** Joules a token above idle: (joules − idle watts · seconds) / tokens. */
  readonly joulesPerToken: Estimate | undefined;
  /** As drawn, idle included. */
  readonly watts: Estimate | undefined;
  readonly tokensPerSecond: Estimate | undefined;
  /**
   * Of `joulesPerToken` against the first plan, paired by repeat, as a share; absent of the first. The
   * intervals of all plans hold at once in 95 % of runs.
   */
  readonly energyChange: Estimate | undefined;
  /** Of `watts`, the same. */
  readonly powerChange: Estimate | undefined;
  readonly verdict: ChangeVerdict | 'baseline';
}

/** The numbers of a measurement. */
export interface MeasuredSummary {
  readonly rows: readonly MeasuredRow[];
  /** Idle watts by meter, over all idle windows. */
  readonly idle: readonly { readonly meter: string; readonly watts: Estimate | undefined }[];
  /** Drift, other load, windows that are missing. */
  readonly remarks: readonly string[];
}

/** Share of processors or of a card that somebody else keeps busy while we are idle, worth telling. */
const OTHER_LOAD = 0.05;
/** Idle power that moves by more than this share of its mean. */
const IDLE_SPREAD = 0.1;
/** A window that takes so much longer than the median of its plan. */
const SLOW_WINDOW = 1.2;

/** The numbers of a measurement, meter by meter, plan by plan. */
export function summariseWindows(found: MeasuredWindows): MeasuredSummary {
  const { meters, plans, windows } = found;
  const rows = meters.flatMap(({ name: meter, covers, resolution }, at) => {
    const samples = plans.map((plan) => samplesOf(windows, plan, at));
    return plans.map((plan, index): MeasuredRow => {
      const own = [...samples[index].values()];
      const paired = [...samples[index]].flatMap(([repeat, sample]) => {
        const base = samples[0].get(repeat);
        return base === undefined ? [] : [{ sample, base }];
      });
      const change = (key: keyof Sample): Estimate | undefined =>
        index === 0
          ? undefined
          : changeEstimate(
              paired.map(({ sample }) => sample[key]),
              paired.map(({ base }) => base[key]),
              plans.length - 1,
            );
      const energyChange = change('joulesPerToken');
      return {
        ...{ origin: 'measured', meter, covers, resolution, plan },
        joulesPerToken: meanEstimate(own.map(({ joulesPerToken }) => joulesPerToken)),
        watts: meanEstimate(own.map(({ watts }) => watts)),
        tokensPerSecond: meanEstimate(speedsOf(windows, plan)),
        energyChange,
        powerChange: change('watts'),
        verdict: index === 0 ? 'baseline' : verdictOf(energyChange),
      };
    });
  });
  const idle = meters.map(({ name: meter }, at) => ({
    meter,
    watts: meanEstimate(idleWatts(windows, at).map(({ watts }) => watts)),
  }));
  return { rows, idle, remarks: remarksOf(found) };
}

interface Sample {
  readonly joulesPerToken: number;
  readonly watts: number;
}

/**
 * Of the repeats in which the plan and an idle window of the same repeat were measured. No two repeats share
 * an idle window: what is wrong with it would be in both, and Student's interval, which takes repeats for
 * independent, too short.
 */
function samplesOf(
  windows: readonly MeasuredWindow[],
  plan: string,
  meter: number,
): Map<number, Sample> {
  const idle = idleWatts(windows, meter);
  const samples = new Map<number, Sample>();
  for (const window of windows) {
    const reading = readingOf(window, meter);
    if (window.plan !== plan || reading === undefined || window.tokens === 0) continue;
    const beside = idle.filter(({ repeat }) => repeat === window.repeat);
    if (beside.length === 0) continue;
    const { joules, seconds } = reading;
    const base = mean(beside.map(({ watts }) => watts));
    samples.set(window.repeat, {
      joulesPerToken: (joules - base * seconds) / window.tokens,
      watts: joules / seconds,
    });
  }
  return samples;
}

function idleWatts(
  windows: readonly MeasuredWindow[],
  meter: number,
): { readonly repeat: number; readonly watts: number }[] {
  return windows.flatMap((window) => {
    const reading = window.kind === 'idle' ? readingOf(window, meter) : undefined;
    return reading ? [{ repeat: window.repeat, watts: reading.joules / reading.seconds }] : [];
  });
}

function readingOf(window: MeasuredWindow, meter: number): MeterReading | undefined {
  const reading = window.readings[meter];
  return isReading(reading) && reading.seconds > 0 ? reading : undefined;
}

function speedsOf(windows: readonly MeasuredWindow[], plan: string): number[] {
  return windows
    .filter((window) => window.plan === plan)
    .map(({ tokens, seconds }) => tokens / seconds);
}

const percent = (share: number): string => `${(100 * share).toFixed(1).replace('-', '−')} %`;

function remarksOf({ meters, plans, windows, repeat }: MeasuredWindows): string[] {
  const remarks: string[] = [];
  const idle = windows.filter(({ kind }) => kind === 'idle');
  const busy = idle.flatMap(({ load }) => (load === undefined ? [] : [load]));
  if (busy.length > 0 && mean(busy) > OTHER_LOAD)
    remarks.push(
      `other load: ${percent(mean(busy))} of the processors were busy in idle windows, ${percent(Math.max(...busy))} in the worst`,
    );
  const slow = plans.flatMap((plan) => {
    const speeds = speedsOf(windows, plan);
    const middle = speeds.toSorted((a, b) => a - b)[speeds.length >> 1];
    return speeds.filter((speed) => speed * SLOW_WINDOW < middle);
  }).length;
  if (slow > 0)
    remarks.push(
      `other load or throttling: ${slow} of ${repeat * plans.length} windows took over ${SLOW_WINDOW} times as long as the median of their plan`,
    );
  for (const [at, { name }] of meters.entries()) {
    const uses = idle.flatMap((window) => readingOf(window, at)?.utilization ?? []);
    if (uses.length > 0 && mean(uses) > OTHER_LOAD)
      remarks.push(`${name}: other load: ${percent(mean(uses))} busy in idle windows`);
    const watts = idleWatts(windows, at).map((each) => each.watts);
    if (watts.length > 1 && Math.max(...watts) - Math.min(...watts) > IDLE_SPREAD * mean(watts))
      remarks.push(
        `${name}: idle power moved between ${Math.min(...watts).toPrecision(3)} and ${Math.max(...watts).toPrecision(3)} W`,
      );
    // By repeats: each has every plan once, so that the order of plans is no drift.
    const byRepeat = Array.from({ length: repeat }, (_, each) =>
      windows.flatMap((window) => {
        const reading = window.kind === 'plan' ? readingOf(window, at) : undefined;
        return window.repeat === each && reading ? [reading.joules / reading.seconds] : [];
      }),
    ).filter((all) => all.length === plans.length);
    const drift = driftOf(byRepeat.map((all) => mean(all)));
    if (drift !== undefined)
      remarks.push(`${name}: power drifted by ${percent(drift)} from the first repeat to the last`);
    const missing = windows.flatMap((window) => {
      const reading = window.readings[at];
      return isReading(reading) ? [] : [reading.missing];
    });
    if (missing.length > 0)
      remarks.push(
        `${name}: ${missing.length} of ${windows.length} windows missing: ${missing[0]}`,
      );
  }
  return remarks;
}
