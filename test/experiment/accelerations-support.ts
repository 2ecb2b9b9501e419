import { modelSpace } from '../../src/experiment/open/model-space.js';
import { Evaluator, type EvaluatorReport } from '../../src/experiment/scoring/evaluator.js';
import { ALL_ACCELERATIONS, type Accelerations } from '../../src/experiment/scoring/options.js';
import type { PoolOpener } from '../../src/experiment/scoring/scorer-pool.js';
import { openDescribed } from '../../src/model/structure.js';
import { select } from '../../src/search/score.js';
import { tieredSearch, type TieredSearchResult } from '../../src/search/tiers/tiers.js';
import type { MeasurementStore } from '../../src/store/index.js';
import type { Task } from '../../src/tasks/task.js';

/** A search, and the work that it took. */
export interface Outcome {
  readonly result: TieredSearchResult;
  readonly report: EvaluatorReport;
}

/** Searches a checkpoint of any family. */
export async function search(
  path: string,
  task: Task,
  accelerations: Accelerations,
  {
    budgetBytes,
    memoryShare = 0.45,
    backend = 'wasm',
    openPool,
    store,
  }: {
    budgetBytes?: number;
    memoryShare?: number;
    backend?: string;
    openPool?: PoolOpener;
    store?: MeasurementStore;
  } = {},
): Promise<Outcome> {
  const { checkpoint, description } = await openDescribed(path);
  const space = modelSpace(description.hierarchy);
  const evaluator = Evaluator.open({
    checkpoint: path,
    checkpointHash: 'toy',
    model: description,
    backend,
    task,
    split: 'search',
    accelerations,
    budgetBytes,
    openPool,
    store,
  });
  try {
    const result = await tieredSearch(space, evaluator.evaluateIn(space), {
      metric: task.metric,
      constraints: {
        loss: { kind: 'share', share: 0.05 },
        memory: { kind: 'share', share: memoryShare },
      },
      bits: [16, 8, 6, 4, 3],
    });
    return { result, report: evaluator.report() };
  } finally {
    await evaluator.close();
    await checkpoint.close();
  }
}

/** What must not depend on how the search was computed. A stopped step has no metric to compare. */
export function pathOf({ result }: Outcome, withMetrics: boolean) {
  return {
    steps: result.trace.map((step) => [
      step.assignment.key,
      step.accepted,
      step.candidate,
      withMetrics && step.evaluation.kind === 'exact' ? step.evaluation.metric : undefined,
    ]),
    candidates: result.candidates.map(({ assignment, metric, bytes }) => [
      assignment.key,
      metric,
      bytes,
    ]),
    final: result.final.key,
    selected: [0, 0.25, 0.5, 0.75, 1].map(
      (lambda) =>
        select(result.candidates, lambda, {
          metric: result.limits.quality.metric,
          fp32Bytes: result.fp32Bytes,
        })?.assignment.key,
    ),
  };
}

/** Each way alone, and all together. */
export const EACH: readonly (readonly [string, Partial<Accelerations>])[] = [
  ['prefix', { prefix: true }],
  ['exit', { prefix: true, exit: true }],
  ['verdicts', { verdicts: true }],
  ['memo', { memo: true }],
  ['workers', { workers: 2 }],
  ['all', ALL_ACCELERATIONS],
  ['all in this thread', { ...ALL_ACCELERATIONS, workers: 0 }],
];
