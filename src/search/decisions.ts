import { lossUnder, type MetricLimit } from './constraints.js';
import type { SearchStep } from './trace.js';

/**
 * The decisions of a search about the quality limit: one a plan tried, all on the same data. One that lies
 * within a standard error of the limit could well be the other way on other data of this size.
 */
export interface Decisions {
  readonly total: number;
  /** Measured to the end, and a standard error known. */
  readonly measured: number;
  /** Of these, loss and limit differ by at most one standard error of the loss. */
  readonly close: number;
  /** Stopped once certain on this data: how close they were is not known. */
  readonly stopped: number;
  /** Of a search by samples: clear from one at the level asked for. Absent, as the next, of any other. */
  readonly sampled?: number;
  /** Not clear from the largest sample: taken as its estimate has it. */
  readonly undecided?: number;
  /** Refused by a gate, not measured: no decision about the limit. Absent of a search without one. */
  readonly gated?: number;
}

/**
 * @param errorOf standard error of the paired loss of a step's plan; undefined where it is not known.
 * @returns undefined where no loss is limited.
 */
export function decisionsOf(
  trace: readonly SearchStep[],
  limit: MetricLimit,
  errorOf: (step: SearchStep) => number | undefined,
): Decisions | undefined {
  if (!Number.isFinite(limit.allowedLoss)) return undefined;
  const distances = trace.flatMap((step) => {
    const { evaluation } = step;
    const error = errorOf(step);
    if (evaluation.kind !== 'exact' || error === undefined) return [];
    return [{ distance: Math.abs(lossUnder(limit, evaluation.metric) - limit.allowedLoss), error }];
  });
  const rungs = trace.flatMap(({ rung }) => (rung && rung.items < rung.of ? [rung] : []));
  const undecided = rungs.filter(({ clear }) => !clear).length;
  const gated = trace.filter(({ gate }) => gate).length;
  return {
    total: trace.length,
    measured: distances.length,
    close: distances.filter(({ distance, error }) => distance <= error).length,
    stopped: trace.filter(
      ({ evaluation, rung, gate }) => evaluation.kind === 'verdict' && !rung && !gate,
    ).length,
    ...(gated > 0 && { gated }),
    ...(trace.some(({ rung }) => rung) && { sampled: rungs.length - undecided, undecided }),
  };
}
