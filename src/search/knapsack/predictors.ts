import type { SensitivityRow, SensitivityTable } from '../sensitivity.js';
import type { Assignment, SearchSpace } from '../space.js';
import { additiveModel, type AdditiveModelOptions } from './additive.js';

/** A figure of a row that is to stand for its loss: larger is worse, NaN where a row has none. */
export interface Predictor {
  readonly of: (row: SensitivityRow) => number;
}

/** A predictor's part in a table: how it orders rows, and the plan it leads to. */
export interface Prediction {
  /**
   * Spearman's rank correlation with the measured loss, over rows that have both; NaN where either is the same for
   * all of them.
   */
  readonly rank: number;
  readonly rows: number;
  /** The plan of the least predicted loss that keeps the bytes. */
  readonly plan: Assignment;
  readonly bytes: number;
}

/**
 * Orders the rows of a level by a predictor, and lets it choose a plan by dynamic programming.
 *
 * @param maxBytes of the plan; the smallest plan where none is as small
 * @throws {SearchError} as `additiveModel`: where the predictor has no number for any row.
 */
export function predict(
  space: SearchSpace,
  table: SensitivityTable,
  { of }: Predictor,
  { level, maxBytes }: Pick<AdditiveModelOptions, 'level'> & { readonly maxBytes: number },
): Prediction {
  const rows = table.rows.filter(
    (row) => row.level === level && Number.isFinite(of(row)) && Number.isFinite(row.loss),
  );
  const model = additiveModel(space, table, { level, lossOf: of });
  const { front } = model;
  const point = Math.max(
    0,
    front.points.findLastIndex(({ bytes }) => bytes <= maxBytes),
  );
  return {
    rank: rankCorrelation(
      rows.map(of),
      rows.map(({ loss }) => loss),
    ),
    rows: rows.length,
    plan: model.assignment(front.bitsAt(point)),
    bytes: front.points[point].bytes,
  };
}

/**
 * Spearman's rank correlation: Pearson's of the ranks, equals sharing the mean of theirs. NaN where either has one
 * value throughout.
 *
 * @param y as many as x
 */
export function rankCorrelation(x: readonly number[], y: readonly number[]): number {
  const [a, b] = [ranks(x), ranks(y)];
  const mean = (x.length + 1) / 2;
  let [both, first, second] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    both += (a[i] - mean) * (b[i] - mean);
    first += (a[i] - mean) ** 2;
    second += (b[i] - mean) ** 2;
  }
  return both / Math.sqrt(first * second);
}

/** Ranks from 1. */
function ranks(values: readonly number[]): number[] {
  const order = [...values.keys()].sort((i, j) => values[i] - values[j]);
  const found = new Array<number>(values.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to]] === values[order[from]]) to++;
    for (let at = from; at < to; at++) found[order[at]] = (from + 1 + to) / 2;
    from = to;
  }
  return found;
}
