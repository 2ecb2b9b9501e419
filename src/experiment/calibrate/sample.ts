import type { TokenBatch } from '../../model/types.js';
import type { Task } from '../../tasks/task.js';
import { seededRandom } from '../../util/random.js';

/** Tokens of a calibration sample, at most by one item more. */
export const CALIBRATION_TOKENS = 8_192;
/** Tokens a batch: also the rows of one product of second moments. */
const BATCH_TOKENS = 2_048;
/** Of the choice of items. */
const SEED = 1;

/** Sequences with their real tokens alone counted. */
export interface CalibrationBatch {
  readonly inputs: TokenBatch;
  /** Positions of each row that are no padding, [rows]. */
  readonly lengths: Int32Array;
}

/** Items of a task chosen at random, always the same ones, in batches of similar length. */
export function calibrationSample(task: Task, tokens = CALIBRATION_TOKENS): CalibrationBatch[] {
  const rows = task.batches.flatMap(({ inputs, lengths, indices }) =>
    [...indices].map((index, row) => ({ inputs, row, length: lengths[row], index })),
  );
  // By their place in the data, so that the choice does not depend on how they were batched.
  rows.sort((a, b) => a.index - b.index);
  const chosen: typeof rows = [];
  let sum = 0;
  for (const row of seededRandom(SEED).shuffled(rows)) {
    if (sum >= tokens) break;
    chosen.push(row);
    sum += row.length;
  }
  chosen.sort((a, b) => a.length - b.length || a.index - b.index);
  const batches: CalibrationBatch[] = [];
  for (let from = 0, to = 0; from < chosen.length; from = to) {
    while (to < chosen.length && (to === from || fits(chosen[to].length, to + 1 - from))) to++;
    const part = chosen.slice(from, to);
    const time = part[part.length - 1].length;
    const lengths = Int32Array.from(part, ({ length }) => length);
    const ids = new Int32Array(part.length * time);
    for (const [at, { inputs, row, length }] of part.entries()) {
      const first = row * inputs.time;
      // Short ones end in whatever padding they had: the network is causal, and nothing of it is counted.
      ids.set(inputs.ids.subarray(first, first + Math.min(time, inputs.time)), at * time);
      if (time > inputs.time) ids.fill(inputs.ids[first + length - 1], at * time + length);
    }
    batches.push({ inputs: { ids, batch: part.length, time, lengths }, lengths });
  }
  return batches;
}

function fits(time: number, rows: number): boolean {
  return time * rows <= BATCH_TOKENS;
}
