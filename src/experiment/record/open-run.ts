import { DataError } from '../../util/errors.js';
import { locateRun, readRun } from './folder.js';
import { readSearch, type SavedSearch } from './saved-search.js';
import { readSweep, type SavedSweep } from './saved-sweep.js';

export type SavedRun = SavedSearch | SavedSweep;

/**
 * A finished run with all that its figures and tables need; neither model, data nor store is opened.
 *
 * @param run id, or folder.
 * @param runs folder of all runs.
 * @throws {DataError} when there is no such run, it did not finish, is of an unknown kind, or its files are
 *   damaged.
 */
export async function openRun(run: string, runs?: string): Promise<SavedRun> {
  const folder = await locateRun(run, runs);
  const json = await readRun(folder);
  if (json.state !== 'finished')
    throw new DataError({
      what: 'the run has no result',
      where: folder,
      got: `a ${json.kind} that is ${json.state}`,
      expected: 'a finished run; an interrupted one goes on when it is started again',
    });
  if (json.kind === 'search') return readSearch(folder, json);
  if (json.kind === 'sweep') return readSweep(folder, json);
  throw new DataError({
    what: 'there are no figures of such a run',
    where: folder,
    got: json.kind,
    expected: 'a search or a sweep',
  });
}

/**
 * Several finished searches, in the order they are named.
 *
 * @param runs folder of all runs.
 * @param expected what is asked for, for the error.
 * @throws {DataError} as {@link openRun}, and for a run that is no search.
 */
export async function openSearches(
  named: readonly string[],
  runs: string | undefined,
  expected: string,
): Promise<SavedSearch[]> {
  return Promise.all(
    named.map(async (run) => {
      const opened = await openRun(run, runs);
      if (opened.kind === 'search') return opened;
      throw new DataError({
        what: 'not a search',
        where: run,
        got: `a ${opened.kind}`,
        expected,
      });
    }),
  );
}
