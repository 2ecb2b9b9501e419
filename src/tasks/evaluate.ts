import type { SequenceModel } from '../model/types.js';
import { throwIfAborted } from '../util/errors.js';
import { yieldToEvents, type RunOptions } from '../util/progress.js';
import type { SequenceBatch } from './batching.js';
import type { BatchScores, Task } from './task.js';

/** The report of a kind of task on an evaluation while it lasts. */
export interface EvaluationReport {
  /** "SST-2 accuracy" */
  readonly phase: string;
  readonly unit: string;
  readonly total: number;
  /** Units a batch contributes. */
  readonly unitsOf: (batch: SequenceBatch) => number;
  /** The metric so far. @param sum of all scores @param items done @param units done */
  readonly note: (sum: number, items: number, units: number) => string;
}

/**
 * Scores all batches, one after another. Between two of them timers and signals get their turn.
 *
 * @throws {AbortedError} before the next batch, once the signal has fired. As {@link Task.score}.
 */
export async function scoreAll(
  task: Pick<Task, 'batches' | 'score'>,
  model: SequenceModel,
  { phase, unit, total, unitsOf, note }: EvaluationReport,
  { onProgress, signal }: RunOptions,
): Promise<BatchScores[]> {
  const scores: BatchScores[] = [];
  let [sum, items, done] = [0, 0, 0];
  onProgress?.({ phase, done, total, unit });
  for (const [index, batch] of task.batches.entries()) {
    throwIfAborted(signal, phase);
    const result = await task.score(model, index);
    scores.push(result);
    sum += result.values.reduce((all, one) => all + one, 0);
    items += batch.indices.length;
    done += unitsOf(batch);
    onProgress?.({ phase, done, total, unit, note: note(sum, items, done) });
    await yieldToEvents();
  }
  throwIfAborted(signal, phase);
  return scores;
}
