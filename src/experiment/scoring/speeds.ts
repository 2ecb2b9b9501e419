import { describeMachine } from '../../store/machine.js';
import type { MemoisedMeasurement, Outcome } from '../../store/types.js';
import { groupBy } from '../../util/group.js';

/** The speed at which a plan was measured to the end. A fact about a machine and a day, no result. */
export interface PlanSpeed {
  /** Id of the plan. */
  readonly plan: string;
  /**
   * Tokens of the task over the time of its evaluation, with what the accelerations saved: a plan that shares
   * much with the one before it is fast.
   */
  readonly tokensPerSecond: number;
  /** The one that it was measured on; over a queue, the one that asked. */
  readonly machine: string;
  /** Taken from the store: the speed is of the time when it was measured. */
  readonly remembered: boolean;
}

/** The speed of an answer; none of one that took no time. */
export function speedOf(
  plan: string,
  answer: Outcome & Partial<Pick<MemoisedMeasurement, 'machine' | 'fresh'>>,
): PlanSpeed[] {
  const { measurement, machine = describeMachine(), fresh = true } = answer;
  const tokensPerSecond = measurement.tokens / measurement.seconds;
  return Number.isFinite(tokensPerSecond)
    ? [{ plan, tokensPerSecond, machine, remembered: !fresh }]
    : [];
}

/** The speeds by plan: of one that was asked for again, that of the measurement. */
export function speedsByPlan(speeds: readonly PlanSpeed[]): ReadonlyMap<string, PlanSpeed> {
  const plans = [...groupBy(speeds, ({ plan }) => plan)];
  return new Map(
    plans.map(([plan, own]) => [plan, own.find(({ remembered }) => !remembered) ?? own[0]]),
  );
}
