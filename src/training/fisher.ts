import type { LoadedModel } from '../model/loaded-model.js';
import { selectRows } from '../model/types.js';
import type { Task } from '../tasks/task.js';
import { throwIfAborted, UsageError } from '../util/errors.js';
import type { RunOptions } from '../util/progress.js';
import { lossOfRows } from './shares.js';

/** The curvature of a model's likelihood, as far as squared gradients tell it. */
export interface FisherInformation {
  /** Of each matrix the sum over sequences of its squared gradient, by name, in the checkpoint's layout. */
  readonly squares: ReadonlyMap<string, Float32Array>;
  /** Labels, or tokens, whose likelihoods were added up. */
  readonly predictions: number;
  readonly sequences: number;
  /** Tokens that went through the model, padding left out. */
  readonly tokens: number;
  readonly seconds: number;
}

/** The most of a task that gradients are taken of. */
export const FISHER_SENTENCES = 128;
/** The same of windows of text, each of which has many predictions. */
export const FISHER_WINDOWS = 16;

/**
 * The empirical Fisher information, diagonal, from the first sequences of a task: Σ g² over sequences, g the
 * gradient of a sequence's NLL.
 *
 * Of each sequence by itself, not of a batch: at a minimum the mean gradient is near 0, and its square would be
 * as noisy an estimate of the same from as many samples as there are batches. The gradient by a matrix of which
 * only signs are read is by its spikes, since that is where rounding can do harm.
 *
 * @param names of the matrices wanted
 * @throws {UsageError} for a task that nothing can be trained for. {ModelError} as `LoadedModel.gradient`.
 */
export async function fisherInformation(
  model: LoadedModel,
  task: Task,
  names: readonly string[],
  { onProgress, signal }: RunOptions = {},
): Promise<FisherInformation> {
  const started = performance.now();
  if (task.lossOf === undefined)
    throw new UsageError({
      what: 'no gradients of this task',
      where: `task ${task.name}`,
      expected: 'sst2 or wikitext2',
    });
  const most = task.context === undefined ? FISHER_SENTENCES : FISHER_WINDOWS;
  const sequences = Math.min(most, task.items);
  const squares = new Map<string, Float32Array>();
  let [done, tokens, predictions] = [0, 0, 0];
  for (const [index, { inputs, lengths, indices }] of task.batches.entries()) {
    const rows = [...indices.keys()].filter((row) => indices[row] < sequences);
    if (rows.length === 0) continue;
    const loss = task.lossOf(index);
    for (const row of rows) {
      throwIfAborted(signal, 'gradients');
      onProgress?.({ phase: 'gradients', done, total: sequences, unit: 'sequences' });
      const own = lossOfRows(loss, inputs.time, row, row + 1);
      const { gradients } = await model.gradient(selectRows(inputs, [row]), own, { signal });
      for (const name of names) addSquares(squares, name, gradients.get(name));
      predictions += own.weights.reduce((sum, weight) => sum + weight, 0);
      tokens += lengths[row];
      done++;
    }
  }
  onProgress?.({ phase: 'gradients', done, total: sequences, unit: 'sequences' });
  const seconds = (performance.now() - started) / 1000;
  return { squares, predictions, sequences, tokens, seconds };
}

function addSquares(
  squares: Map<string, Float32Array>,
  name: string,
  gradient: Float32Array | undefined,
): void {
  if (gradient === undefined) return;
  const sums = squares.get(name) ?? new Float32Array(gradient.length);
  squares.set(name, sums);
  for (let i = 0; i < gradient.length; i++) sums[i] += gradient[i] * gradient[i];
}

/**
 * The NLL a prediction that rounding a matrix is expected to add, in nats: ½ Σ F (w − w')² / predictions, to
 * second order, with F for the Hessian and no products between parameters.
 *
 * @param bySign true where only signs are read: the error is that of the spikes
 */
export function expectedIncrease(
  { squares, predictions }: Pick<FisherInformation, 'squares' | 'predictions'>,
  name: string,
  values: Float32Array,
  rounded: Float32Array,
  bySign: boolean,
): number {
  const sums = squares.get(name);
  if (sums === undefined) return 0;
  let total = 0;
  for (let i = 0; i < sums.length; i++) {
    const error = bySign
      ? Number(values[i] >= 0) - Number(rounded[i] >= 0)
      : values[i] - rounded[i];
    total += sums[i] * error * error;
  }
  return total / (2 * predictions);
}
