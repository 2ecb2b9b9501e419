import { taskKind } from '../../tasks/kinds.js';
import type { Task } from '../../tasks/task.js';
import { DataError } from '../../util/errors.js';
import { formatCount } from '../../util/format.js';

/** Share of the smaller part that may be in both: collections hold a sentence twice now and then. */
const TOLERATED_SHARE = 0.01;

/**
 * Refuses to judge a result by data that it was selected on, also under limits and in other windows: items are
 * compared, not tasks.
 *
 * @throws {DataError} when more than one in a hundred pieces of the smaller part is in the other.
 */
export function requireApart(search: Task, heldOut: Task): void {
  const kind = taskKind(search.name);
  const [searched, judged] = [kind.pieces(search.parts), kind.pieces(heldOut.parts)];
  const shared = judged.own.filter((piece) => searched.anywhere.has(piece)).length;
  const smaller = Math.min(searched.own.length, judged.own.length);
  if (shared <= TOLERATED_SHARE * smaller) return;
  throw new DataError({
    what: 'the held-out data holds what is searched on',
    where: heldOut.source,
    got: `${formatCount(shared)} ${kind.pieceName} of the ${formatCount(smaller)} in the smaller part are in both`,
    expected: 'data that no decision was made on, or none',
  });
}
