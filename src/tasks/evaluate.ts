import type { SequenceModel } from '../model/types.js';
import { throwIfAborted, withMemoryNamed } from '../util/errors.js';
import { formatCount } from '../util/format.js';
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
 * Scores a batch.
 *
 * @throws {MemoryError} for one that does not fit, with what would. As {@link Task.score}.
 */
export async function scoreBatch(
  task: Pick<Task, 'batches' | 'score'>,
  model: SequenceModel,
  index: number,
): Promise<BatchScores> {
  try {
    return await task.score(model, index);
  } catch (error) {
    const { batch, time } = task.batches[index].inputs;
    const got = `a batch of ${formatCount(batch)} × ${formatCount(time)} tokens`;
    throw withMemoryNamed(error, 'evaluation', got, WOULD_FIT);
  }
}

const WOULD_FIT =
  'fewer tokens at a time (a shorter context, shorter sentences), or a smaller model';

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
    const result = await scoreBatch(task, model, index);
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
