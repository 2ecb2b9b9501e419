import type { EvaluatorReport } from '../../experiment/scoring/evaluator.js';
import { speedsByPlan, type PlanSpeed } from '../../experiment/scoring/speeds.js';
import { planId, type ResolvedPlan } from '../../quant/plan.js';
import {
  formatCount,
  formatCounted,
  formatDuration,
  formatPercent,
  formatRate,
} from '../../util/format.js';
import type { Fact } from './table.js';

/** The cost of a run, and the work that each acceleration saved it. */
export function workFacts(report: EvaluatorReport): Fact[] {
  const { measured, stopped, remembered, seconds, work, fullWork } = report;
  const begun = measured + stopped;
  const facts: Fact[] = [
    [
      'evaluations',
      `${formatCount(measured)} to the end, ${formatCount(stopped)} until the verdict was certain, ` +
        `${formatCount(remembered)} from the store; ${formatDuration(seconds)}`,
    ],
    ...speedFacts(report),
  ];
  if (begun === 0 || fullWork === 0) return facts;
  const { done, savedByPrefix, savedByExit, savedByVerdict } = work;
  const share = (amount: number): string => formatPercent(amount / (begun * fullWork));
  return [
    ...facts,
    [
      'computed',
      `${(done / fullWork).toFixed(1)} evaluations’ worth; saved ${share(savedByPrefix)} by kept ` +
        `prefixes, ${share(savedByExit)} by spike-exact exits, ${share(savedByVerdict)} by certain verdicts`,
    ],
  ];
}

/** Title of a column of speeds. */
export const SPEED_COLUMN = 'tokens/s';

/** "1,200", "1,200 (remembered)"; empty where a plan was not measured to the end, or an earlier version did. */
export function speedCell(report: EvaluatorReport, plan: ResolvedPlan): string {
  return speedText(speedsByPlan(report.speeds).get(planId(plan)));
}

export function speedText(speed: PlanSpeed | undefined): string {
  if (speed === undefined) return '';
  const rate = formatRate(speed.tokensPerSecond);
  return speed.remembered ? `${rate} (remembered)` : rate;
}

/** The speeds of a run's evaluations, machine by machine; nothing where none are known. */
function speedFacts({ speeds }: EvaluatorReport): Fact[] {
  const all = [...speedsByPlan(speeds).values()];
  const machines = [...new Set(all.map(({ machine }) => machine))];
  return machines.map((machine) => {
    const own = all.filter((speed) => speed.machine === machine);
    const rates = own.map(({ tokensPerSecond }) => tokensPerSecond).sort((a, b) => a - b);
    const [least, middle, most] = [rates[0], rates[rates.length >> 1], rates.at(-1)!].map(
      formatRate,
    );
    const remembered = own.filter((speed) => speed.remembered).length;
    const past = remembered === 0 ? '' : `, ${remembered} of them remembered`;
    return [
      'speed',
      `${middle} tokens/s, median of ${formatCounted(own.length, 'evaluation')} (${least} to ${most}${past}), ` +
        `by what was kept of other plans, so no speed of a plan itself; ${machine}`,
    ];
  });
}
