import type { GradientOptions, Loss } from '../model/family.js';
import { selectRows, type TokenBatch } from '../model/types.js';

/** Rows of a batch that the gradient is taken of by themselves; plain data. */
export interface Share extends Pick<GradientOptions, 'dropout'> {
  readonly tokens: TokenBatch;
  /** With the weights that the rows have in the whole batch: gradients of shares add up to its gradient. */
  readonly loss: Loss;
}

/**
 * A batch in shares of neighbouring rows, as equal as can be and none empty. Nothing but the batch and the count
 * decides where it is cut: results do not depend on who computes which.
 *
 * @param count of shares; fewer where there are fewer rows
 * @param dropout of the whole batch: each share drops values of its own
 */
export function sharesOf(
  tokens: TokenBatch,
  loss: Loss,
  count: number,
  dropout: GradientOptions['dropout'],
): Share[] {
  const { batch } = tokens;
  const shares = Math.min(count, batch);
  return Array.from({ length: shares }, (_, index) => {
    const from = Math.floor((index * batch) / shares);
    const to = Math.floor(((index + 1) * batch) / shares);
    const rows = Array.from({ length: to - from }, (_, row) => from + row);
    return {
      tokens: selectRows(tokens, rows),
      loss: lossOfRows(loss, tokens.time, from, to),
      dropout: dropout && { ...dropout, seed: dropout.seed ^ Math.imul(index, 0xc2b2ae35) },
    };
  });
}

/** The part of a loss that rows `from` up to `to` of its batch have. @param time positions of a row */
export function lossOfRows(loss: Loss, time: number, from: number, to: number): Loss {
  if (loss.kind === 'tokens') {
    const [first, end] = [from * time, to * time];
    const targets = loss.targets.slice(first, end);
    return { ...loss, targets, weights: loss.weights.slice(first, end) };
  }
  return {
    ...loss,
    labels: loss.labels.slice(from, to),
    lengths: loss.lengths.slice(from, to),
    weights: loss.weights.slice(from, to),
  };
}
