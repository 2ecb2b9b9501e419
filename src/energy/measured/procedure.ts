import { setTimeout as wait } from 'node:timers/promises';
import { EnergyError, throwIfAborted } from '../../util/errors.js';
import type { RunOptions } from '../../util/progress.js';
import { seededRandom } from '../../util/random.js';
import { processorLoad } from '../meters/load.js';
import type { Meter, MeterReading, MissingReading } from '../meters/meter.js';

/** A plan as the procedure runs it. */
export interface PlanToMeasure {
  /** 'fp32' is the first: others are compared with it. */
  readonly name: string;
  /** Sets the weights; not measured. */
  prepare(): Promise<void>;
  /** One evaluation. @returns its tokens. */
  evaluate(): Promise<number>;
}

export interface ProcedureOptions extends RunOptions {
  /** Windows of each plan, at least 2; 10 by default. */
  readonly repeat?: number | undefined;
  /** Of the order of plans in each repeat; 1 by default. */
  readonly seed?: number | undefined;
  /** Idle time of a repeat in seconds, half of it before the plans and half after; 5 by default. */
  readonly idleSeconds?: number | undefined;
  /** Rest after work, before an idle window, not measured: clocks and fans come down; 2 by default. */
  readonly settleSeconds?: number | undefined;
  /** A plan's window is as many whole evaluations as last so long; 5 by default. */
  readonly runSeconds?: number | undefined;
  /** For tests: the time in seconds, a wait, and the share of processors that is busy. */
  readonly clock?: (() => number) | undefined;
  readonly rest?: ((seconds: number) => Promise<void>) | undefined;
  readonly load?: (() => () => number | undefined) | undefined;
}

/** One window, as each meter saw it. */
export interface MeasuredWindow {
  readonly kind: 'idle' | 'plan';
  /** Of a plan's window. */
  readonly plan?: string | undefined;
  /** From 0; an idle window comes before the plans of its repeat, and one after. */
  readonly repeat: number;
  /** In the repeat, from 0: of an idle window 0 or the number of plans. */
  readonly place: number;
  readonly seconds: number;
  /** 0 of an idle window. */
  readonly tokens: number;
  /** Share of the processors' time that was busy, whoever it was. */
  readonly load?: number | undefined;
  /** In the order of the meters. */
  readonly readings: readonly (MeterReading | MissingReading)[];
}

/** All windows of a measurement, and how they were made. */
export interface MeasuredWindows {
  readonly meters: readonly Meter[];
  readonly plans: readonly string[];
  readonly repeat: number;
  readonly seed: number;
  /** Evaluations in a plan's window. */
  readonly passes: number;
  readonly windows: readonly MeasuredWindow[];
}

/**
 * Measures plans against each other.
 *
 *     warm-up   every plan once, not measured; the first again, for the number of evaluations in a window
 *     repeat    idle window, a window of each plan in an order of its own (seeded), rest, idle window
 *
 * So each plan's window has an idle one before and after it, and within a repeat the plans share what changes
 * slowly. Repeats share nothing: the idle window after one and that before the next follow each other, but are
 * two, each of half the idle time. No meter can stop it: a window that one could not measure is a {@link MissingReading}.
 *
 * @throws {EnergyError} for no meter, no plan, or fewer than 2 repeats. {AbortedError} between windows.
 *   What a plan throws is passed on.
 */
export async function measureWindows(
  meters: readonly Meter[],
  plans: readonly PlanToMeasure[],
  options: ProcedureOptions = {},
): Promise<MeasuredWindows> {
  const { repeat = 10, seed = 1, idleSeconds = 5, settleSeconds = 2, runSeconds = 5 } = options;
  const { clock = () => performance.now() / 1000, load = processorLoad, signal } = options;
  const rest = options.rest ?? ((seconds) => wait(1000 * seconds, undefined, { signal }));
  requireMeasurable(meters, plans, repeat);
  const windows: MeasuredWindow[] = [];
  const total = plans.length + 1 + repeat * (plans.length + 2);
  let done = 0;
  const step = (note: string): void => {
    options.onProgress?.({ phase: 'energy', done: done++, total, unit: 'windows', note });
    throwIfAborted(signal, 'measuring energy');
  };
  const within = async (
    window: Pick<MeasuredWindow, 'kind' | 'plan' | 'repeat' | 'place'>,
    work: () => Promise<number>,
  ): Promise<void> => {
    const begun = await Promise.all(meters.map((meter) => meter.start()));
    const busy = load();
    const from = clock();
    const tokens = await work();
    const seconds = clock() - from;
    const share = busy();
    const readings = await Promise.all(begun.map((each) => each.stop()));
    windows.push({ ...window, seconds, tokens, load: share, readings });
  };
  const idle = async (at: number, place: number): Promise<void> => {
    step('idle');
    // Between repeats the machine has come to rest already.
    if (at === 0 || place > 0) await resting(rest, settleSeconds, signal);
    await within({ kind: 'idle', repeat: at, place }, async () => {
      await resting(rest, idleSeconds / 2, signal);
      return 0;
    });
  };

  for (const plan of plans) {
    step(`warm-up: ${plan.name}`);
    await plan.prepare();
    await plan.evaluate();
  }
  step(`warm-up: ${plans[0].name}`);
  await plans[0].prepare();
  const from = clock();
  await plans[0].evaluate();
  const passes = Math.max(1, Math.ceil(runSeconds / Math.max(clock() - from, 1e-3)));

  const random = seededRandom(seed);
  for (let at = 0; at < repeat; at++) {
    await idle(at, 0);
    for (const [place, plan] of random.shuffled(plans).entries()) {
      step(`${plan.name} (${at + 1} of ${repeat})`);
      await plan.prepare();
      await within({ kind: 'plan', plan: plan.name, repeat: at, place }, async () => {
        let tokens = 0;
        for (let pass = 0; pass < passes; pass++) tokens += await plan.evaluate();
        return tokens;
      });
    }
    await idle(at, plans.length);
  }
  return { meters, plans: plans.map(({ name }) => name), repeat, seed, passes, windows };
}

async function resting(
  rest: (seconds: number) => Promise<void>,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await rest(seconds);
  } catch (error) {
    // A timer's own error for the same thing.
    throwIfAborted(signal, 'measuring energy');
    throw error;
  }
}

function requireMeasurable(
  meters: readonly Meter[],
  plans: readonly PlanToMeasure[],
  repeat: number,
): void {
  const where = 'measured energy';
  if (meters.length === 0)
    throw new EnergyError({
      what: 'there is no meter',
      where,
      got: 'none',
      expected: 'one at least',
    });
  const names = new Set(plans.map(({ name }) => name));
  if (plans.length === 0 || names.size < plans.length)
    throw new EnergyError({
      what: 'plans are not told apart',
      where,
      got: plans.map(({ name }) => name).join(', ') || 'none',
      expected: 'one at least, each with a name of its own',
    });
  if (!Number.isInteger(repeat) || repeat < 2)
    throw new EnergyError({
      what: 'too few repeats for an interval',
      where,
      got: String(repeat),
      expected: 'an integer of at least 2',
    });
}
