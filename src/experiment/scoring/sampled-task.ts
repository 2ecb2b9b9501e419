import { rungSizes, type LadderSettings } from '../../search/ladder/rungs.js';
import type { GroupedTask, Task } from '../../tasks/task.js';
import { SearchError } from '../../util/errors.js';
import { seededRandom } from '../../util/random.js';

/** A task's items in the order that they are drawn in, rung by rung. */
export interface SampledTask extends GroupedTask {
  /** Items up to and with each group: the rungs. */
  readonly rungs: readonly number[];
}

/**
 * Draws the order of the items and cuts it into what each rung adds to the one before.
 *
 * @throws {SearchError} for a task whose items' scores depend on what they share a batch with.
 */
export function sampledTask(task: Task, { seed }: Pick<LadderSettings, 'seed'>): SampledTask {
  const drawn = seededRandom(seed).shuffled(Array.from({ length: task.items }, (_, item) => item));
  const rungs = rungSizes(task.items);
  const groups = rungs.map((size, rung) => drawn.slice(rungs[rung - 1] ?? 0, size));
  const grouped = task.inGroups?.(groups);
  if (grouped !== undefined) return { ...grouped, rungs };
  throw new SearchError({
    what: 'scores depend on the batch that an item is in: samples say nothing of the whole',
    where: 'ladder',
    got: `${task.name} with padding that is averaged`,
    expected: 'pooling of real tokens, or a search without a ladder',
  });
}
