import { SearchError } from '../util/errors.js';

/** @throws {SearchError} where a number does not hold up. */
export function requireThat(
  holds: boolean,
  what: string,
  where: string,
  got: number,
  expected: string,
): void {
  if (!holds) throw new SearchError({ what, where, got: String(got), expected });
}
