import type { Pooling, SequenceModel } from '../model/types.js';
import { ModelError } from '../util/errors.js';
import type { SequenceBatch } from './batching.js';
import type { AccuracyMeasurement } from './metrics/accuracy.js';
import type { Measurement } from './metrics/metrics.js';
import { requireCount, requireFinite } from './require.js';
import { byFalling, withTheRest } from './scores.js';
import type { BatchScores } from './task.js';

/** Negative and positive. */
const CLASSES = 2;

/** The sentences that a batch is scored against. */
interface LabelledData {
  readonly labels: readonly number[];
  readonly pooling: Pooling;
  readonly source: string;
}

/**
 * Right or wrong, and by how much, of each sentence of a batch. Of equal logits the smaller class wins.
 *
 * @throws {ModelError} as {@link requireClasses}, and for logits that are not finite.
 */
export async function scoreSentences(
  model: SequenceModel,
  { inputs, lengths, indices }: SequenceBatch,
  { labels, pooling, source }: LabelledData,
): Promise<BatchScores> {
  requireClasses(model, source);
  const logits = await model.classLogits(inputs, lengths, pooling); // [batch * classes]
  requireCount(logits, inputs.batch * CLASSES, 'class logits');
  const values = new Float64Array(indices.length);
  const margins = new Float64Array(indices.length);
  indices.forEach((index, row) => {
    const scores = logits.subarray(row * CLASSES, (row + 1) * CLASSES);
    for (const score of scores)
      requireFinite(score, 'class logit', () => `sentence ${index + 1} of ${source}`);
    const label = labels[index];
    values[row] = (scores[1] > scores[0] ? 1 : 0) === label ? 1 : 0;
    margins[row] = scores[label] - scores[1 - label];
  });
  return { indices, values, margins };
}

/** @throws {ModelError} for a model that does not have two classes. */
export function requireClasses({ classes }: SequenceModel, source: string): void {
  if (classes === CLASSES) return;
  throw new ModelError({
    what: classes === 0 ? 'the model has no classifier' : 'wrong number of classes',
    where: `SST-2 (${source})`,
    got: `${classes} classes`,
    expected: `a model fine-tuned for ${CLASSES} classes`,
  });
}

/** Shares of the sentences, those at most risk first, that are batched together. */
const RISK_SHARES = [0.3, 0.3] as const;

/** Sentences that the unquantized model gets wrong or barely right, in groups; the rest last. */
export function groupsByRisk(
  baseline: Measurement,
  scores: readonly BatchScores[],
  items: number,
): number[][] {
  const risk = (baseline as AccuracyMeasurement).correct.map((right) => 1 - right);
  for (const { indices, margins } of scores)
    if (margins) for (const [row, index] of indices.entries()) risk[index] = -margins[row];
  const order = byFalling(risk);
  let from = 0;
  const groups = RISK_SHARES.map((share) => {
    const to = from + Math.ceil(share * order.length);
    const group = order.slice(from, to);
    from = to;
    return group;
  });
  return withTheRest(groups, items);
}
