import { ModelError } from '../util/errors.js';
import type { BatchScores } from './task.js';

/**
 * The values of all items in data order, [items].
 *
 * @throws {ModelError} when an item has no score: a measurement of a part must not pass for the whole.
 */
export function byItem(scores: readonly BatchScores[], items: number): number[] {
  const values = new Array<number>(items).fill(NaN);
  for (const { indices, values: some } of scores)
    for (const [row, index] of indices.entries()) values[index] = some[row];
  const missing = values.findIndex((value) => Number.isNaN(value));
  if (missing < 0) return values;
  throw new ModelError({
    what: 'an item was not scored',
    where: `item ${missing + 1}`,
    expected: `scores of all ${items} items`,
  });
}

/** The groups, and in a last one the items that are in none of them. */
export function withTheRest(groups: readonly (readonly number[])[], items: number): number[][] {
  const placed = new Set(groups.flat());
  const rest = Array.from({ length: items }, (_, index) => index).filter(
    (index) => !placed.has(index),
  );
  return [...groups.map((group) => [...group]), rest].filter((group) => group.length > 0);
}

/** Places of the values from the largest to the smallest, equal ones in order. */
export function byFalling(values: readonly number[]): number[] {
  return values.map((_, index) => index).sort((a, b) => values[b] - values[a] || a - b);
}
