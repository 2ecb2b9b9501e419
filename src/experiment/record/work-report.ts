import { noWork, WORK_AMOUNTS } from '../../model/work.js';
import type { EvaluatorReport } from '../scoring/evaluator.js';
import { speedsByPlan } from '../scoring/speeds.js';
import type { WorkJson } from './schema.js';

/** A copy of a report that later work does not change. */
export function snapshot(report: EvaluatorReport): EvaluatorReport {
  return {
    ...report,
    work: { ...report.work, exits: { ...report.work.exits } },
    speeds: [...report.speeds],
  };
}

/** The work of an evaluator between two snapshots: its share of one run. */
export function reportBetween(before: EvaluatorReport, after: EvaluatorReport): EvaluatorReport {
  const work = noWork();
  for (const name of WORK_AMOUNTS) work[name] = after.work[name] - before.work[name];
  for (const [boundary, count] of Object.entries(after.work.exits)) {
    const left = count - (before.work.exits[Number(boundary)] ?? 0);
    if (left > 0) work.exits[Number(boundary)] = left;
  }
  return {
    work,
    fullWork: after.fullWork,
    measured: after.measured - before.measured,
    stopped: after.stopped - before.stopped,
    tokens: after.tokens - before.tokens,
    remembered: after.remembered - before.remembered,
    seconds: after.seconds - before.seconds,
    speeds: after.speeds.slice(before.speeds.length),
  };
}

/**
 * A report for `run.json`, in evaluations of the whole task: the part computed, and the part that each
 * acceleration saved of the evaluations that were begun. Those taken from the store are counted apart.
 */
export function reportJson(report: EvaluatorReport): WorkJson {
  const { work, fullWork, measured, stopped, tokens, remembered, seconds } = report;
  const speeds = [...speedsByPlan(report.speeds)].map(
    ([id, { tokensPerSecond, machine, remembered: past }]) =>
      [id, { tokensPerSecond, machine, remembered: past }] as const,
  );
  const inEvaluations = (amount: number): number => (fullWork === 0 ? 0 : amount / fullWork);
  const exits = Object.values(work.exits).reduce((sum, count) => sum + count, 0);
  return {
    measured,
    stopped,
    tokens,
    remembered,
    seconds,
    fullEvaluations: {
      computed: inEvaluations(work.done),
      savedByPrefix: inEvaluations(work.savedByPrefix),
      savedByExit: inEvaluations(work.savedByExit),
      savedByVerdict: inEvaluations(work.savedByVerdict),
    },
    exits: {
      share: work.exitCandidates === 0 ? 0 : exits / work.exitCandidates,
      byBoundary: { ...work.exits },
    },
    ...(speeds.length > 0 && { speeds: Object.fromEntries(speeds) }),
  };
}
