import type { EvaluatorReport } from '../../experiment/scoring/evaluator.js';
import { formatCount, formatDuration, formatPercent } from '../../util/format.js';
import { speedFacts } from './speed.js';
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
