import type { SequenceModel } from '../model/types.js';
import type { RunOptions } from '../util/progress.js';
import { equalLengthBatches, type SequenceBatch } from './batching.js';
import { perplexityOf } from './intervals.js';
import { requireCount, requireFinite, runBatches } from './run-batches.js';
import type { PerplexityMeasurement } from './task.js';
import type { Window } from './windows.js';

/** Windows of one length, with the token that follows each input. */
export interface WindowBatch extends SequenceBatch {
  /** [batch * time] */
  readonly targets: Int32Array;
}

/** The windows in the order of the text, as many together as `batchTokens` allows. */
export function windowBatches(
  stream: Int32Array,
  windows: readonly Window[],
  batchTokens: number,
): WindowBatch[] {
  const inputs = windows.map(({ start, end }) => stream.subarray(start, end));
  return equalLengthBatches(inputs, batchTokens).map((batch) => {
    const targets = new Int32Array(batch.inputs.ids.length);
    batch.indices.forEach((index, row) => {
      const { start, end } = windows[index];
      targets.set(stream.subarray(start + 1, end + 1), row * batch.inputs.time);
    });
    return { ...batch, targets };
  });
}

interface Scoring {
  readonly model: SequenceModel;
  readonly batches: readonly WindowBatch[];
  readonly windows: readonly Window[];
  readonly tokens: number;
  readonly source: string;
}

/**
 * Negative log-likelihood of each predicted token in nats, in the order of the text, [tokens].
 *
 * @throws {ModelError} for one that is not finite. @throws {AbortedError} between batches.
 */
export async function scoreTokens(
  { model, batches, windows, tokens, source }: Scoring,
  options: RunOptions,
): Promise<Float32Array> {
  const scores = new Float32Array(tokens);
  let [sum, done] = [0, 0];
  const run = async ({ inputs, targets, indices }: WindowBatch): Promise<void> => {
    const nll = await model.tokenNll(inputs, targets); // [batch * time]
    requireCount(nll, inputs.batch * inputs.time, 'negative log-likelihoods');
    indices.forEach((index, row) => {
      const { start, end, scoredFrom } = windows[index];
      for (let input = scoredFrom; input < end; input++) {
        const value = nll[row * inputs.time + input - start];
        requireFinite(
          value,
          'negative log-likelihood',
          () => `window ${index + 1}, token ${input + 2} of ${source}`,
        );
        scores[input] = value;
        sum += value;
      }
      done += end - scoredFrom;
    });
  };
  await runBatches(
    batches,
    run,
    {
      phase: 'WikiText-2 perplexity',
      unit: 'tokens',
      total: tokens,
      unitsOf: ({ indices }) =>
        indices.reduce((total, i) => total + windows[i].end - windows[i].scoredFrom, 0),
      note: () => `perplexity ${perplexityOf(sum / done).toPrecision(4)}`,
    },
    options,
  );
  return scores;
}

/** Summed negative log-likelihood and number of predicted tokens of each window, [windows]. */
export function sumWindows(
  nll: Float32Array,
  windows: readonly Window[],
): Pick<PerplexityMeasurement, 'windowNll' | 'windowTokens'> {
  const windowNll = windows.map(({ scoredFrom, end }) => {
    let total = 0;
    for (let input = scoredFrom; input < end; input++) total += nll[input];
    return total;
  });
  return { windowNll, windowTokens: windows.map(({ scoredFrom, end }) => end - scoredFrom) };
}
