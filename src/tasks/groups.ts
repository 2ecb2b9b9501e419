import { UsageError } from '../util/errors.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';
import type { BatchScores, GroupedTask, Task } from './task.js';

/** Forms of a task that {@link groupedTask} is made of. */
interface Forms {
  /** With batches that follow the order of the groups and never hold items of two. */
  arranged(groups: readonly (readonly number[])[]): Task;
  /** Some items as a task of their own, under an id of its own. */
  part(items: readonly number[], id: string): Task;
}

/**
 * A task whose items are measured group by group.
 *
 * @throws {UsageError} where an item is in no group, or in two.
 */
export function groupedTask(
  { id, items }: Pick<Task, 'id' | 'items'>,
  groups: readonly (readonly number[])[],
  forms: Forms,
): GroupedTask {
  const placed = new Set(groups.flat());
  const count = groups.reduce((sum, group) => sum + group.length, 0);
  if (placed.size !== items || count !== items)
    throw new UsageError({
      what: 'the groups are not the items of the task',
      where: id,
      got: `${count} items, ${placed.size} different ones`,
      expected: `each of ${items} items once`,
    });
  const task = forms.arranged(groups);
  const groupOf = new Int32Array(items);
  groups.forEach((group, index) => {
    for (const item of group) groupOf[item] = index;
  });
  const batches = groups.map((): number[] => []);
  task.batches.forEach(({ indices }, batch) => {
    batches[groupOf[indices[0]]].push(batch);
  });
  return {
    task,
    groups: groups.map((group, index) => ({
      items: group,
      batches: batches[index],
      task: forms.part(group, sha256(canonicalJson([id, 'items', [...group]]))),
    })),
  };
}

/** Scores of some items of a task as scores of the task that these items are. */
export function scoresWithin(
  scores: readonly BatchScores[],
  items: readonly number[],
): BatchScores[] {
  const place = new Map(items.map((item, index) => [item, index]));
  return scores.map(({ indices, values }) => ({
    indices: indices.map((item) => place.get(item)!),
    values,
  }));
}
