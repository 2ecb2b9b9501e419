import { selectRows, type TokenBatch } from '../../model/types.js';
import type { SequenceBatch } from '../../tasks/batching.js';
import { metricOf } from '../../tasks/metrics/metrics.js';
import type { Task } from '../../tasks/task.js';

/** The most of a task that is observed. */
export interface ObservedLimits {
  /** Sentences, or windows. */
  readonly sentences: number;
  readonly windows: number;
  /** Scored positions of a text. */
  readonly positions: number;
  /** Logits of the unquantized model that are kept, in bytes: 4 for each position and token id. */
  readonly logitBytes: number;
}

/**
 * The first 200 sentences, or the first windows of a text up to 64 of them, 2,048 positions and 256 MB of
 * logits, but at least one: 8 windows of 256 tokens for the bundled model, one of 1,024 for SpikeGPT-216M.
 */
export const OBSERVED_LIMITS: ObservedLimits = {
  sentences: 200,
  windows: 64,
  positions: 2048,
  logitBytes: 256e6,
};

/** Some rows of a batch of a task. */
export interface ObservedBatch {
  readonly inputs: TokenBatch;
  /** Positions of each row that are no padding, [rows]. */
  readonly lengths: Int32Array;
  /** Positions of each row that count for the task, from and up to, [rows] each. */
  readonly scoredFrom: Int32Array;
  readonly scoredTo: Int32Array;
}

/** The part of a task that is observed. */
export interface ObservedItems {
  readonly batches: readonly ObservedBatch[];
  /** Sentences or windows, the first of the data. */
  readonly count: number;
  /** "first 200 sentences" */
  readonly description: string;
}

/** The first items of a task, in batches of the task's own sizes. */
export function observedItems(
  task: Task,
  vocabSize: number,
  limits: ObservedLimits = OBSERVED_LIMITS,
): ObservedItems {
  const count =
    task.context === undefined
      ? Math.min(task.items, limits.sentences)
      : windowsWithin(task, vocabSize, limits);
  const batches = task.batches.flatMap((batch) => firstItems(task, batch, count));
  const { one, many } = metricOf(task.metric).item;
  return { batches, count, description: `first ${count} ${count === 1 ? one : many}` };
}

/** The number of windows from the start whose scored positions keep the limits together; at least one. */
function windowsWithin({ itemTokens }: Task, vocabSize: number, limits: ObservedLimits): number {
  const positions = Math.min(limits.positions, limits.logitBytes / (4 * vocabSize));
  let [count, sum] = [0, 0];
  for (const tokens of itemTokens.slice(0, limits.windows)) {
    sum += tokens;
    if (sum > positions && count > 0) break;
    count++;
  }
  return count;
}

/** The rows of a batch whose items are among the first `count`. */
function firstItems(
  task: Task,
  { inputs, lengths, indices }: SequenceBatch,
  count: number,
): ObservedBatch[] {
  const rows = [...indices.keys()].filter((row) => indices[row] < count);
  if (rows.length === 0) return [];
  const scored = rows.map((row) => task.scoredPositions(indices[row], lengths[row]));
  return [
    {
      inputs: selectRows(inputs, rows),
      lengths: Int32Array.from(rows, (row) => lengths[row]),
      scoredFrom: Int32Array.from(scored, ([from]) => from),
      scoredTo: Int32Array.from(scored, ([, to]) => to),
    },
  ];
}
