import type { TokenLoss } from '../model/family.js';
import type { SequenceModel } from '../model/types.js';
import { equalLengthBatches, type SequenceBatch } from './batching.js';
import { requireCount, requireFinite } from './require.js';
import type { BatchScores } from './task.js';
import type { Window } from './windows.js';

/** Windows of one length, with the token that follows each input. */
export interface WindowBatch extends SequenceBatch {
  /** [batch * time] */
  readonly targets: Int32Array;
}

/** The windows in the given order, as many together as `batchTokens` allows. */
export function windowBatches(
  stream: Int32Array,
  windows: readonly Window[],
  batchTokens: number,
  order?: readonly number[],
): WindowBatch[] {
  const inputs = windows.map(({ start, end }) => stream.subarray(start, end));
  return equalLengthBatches(inputs, batchTokens, order).map((batch) => {
    const targets = new Int32Array(batch.inputs.ids.length);
    batch.indices.forEach((index, row) => {
      const { start, end } = windows[index];
      targets.set(stream.subarray(start + 1, end + 1), row * batch.inputs.time);
    });
    return { ...batch, targets };
  });
}

/**
 * Summed NLL in nats of the scored tokens of each window of a batch, each sum in float64 and in the
 * order of the text.
 *
 * @throws {ModelError} for an NLL that is not finite.
 */
export async function scoreWindows(
  model: SequenceModel,
  { inputs, targets, indices }: WindowBatch,
  windows: readonly Window[],
  source: string,
): Promise<BatchScores> {
  const nll = await model.tokenNll(inputs, targets); // [batch * time]
  requireCount(nll, inputs.batch * inputs.time, 'negative log-likelihoods');
  const values = new Float64Array(indices.length);
  indices.forEach((index, row) => {
    const { start, end, scoredFrom } = windows[index];
    for (let input = scoredFrom; input < end; input++) {
      const value = nll[row * inputs.time + input - start];
      const where = (): string => `window ${index + 1}, token ${input + 2} of ${source}`;
      requireFinite(value, 'negative log-likelihood', where);
      values[row] += value;
    }
  });
  if (windows.length > 1) return { indices, values };
  const { start, end, scoredFrom } = windows[0];
  return { indices, values, tokenNll: nll.slice(scoredFrom - start, end - start) };
}

/** The NLL of the scored tokens of a batch of windows, each with the weight 1. */
export function lossOfWindows(
  { inputs: { batch, time }, targets, indices }: WindowBatch,
  windows: readonly Window[],
): TokenLoss {
  const weights = new Float32Array(batch * time);
  indices.forEach((index, row) => {
    const { start, end, scoredFrom } = windows[index];
    weights.fill(1, row * time + scoredFrom - start, row * time + end - start);
  });
  return { kind: 'tokens', targets, weights };
}
