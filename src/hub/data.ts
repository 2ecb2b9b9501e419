import { DataError, FetchError } from '../util/errors.js';
import { cachedFiles, cachedRevision, type CachedFile } from './cache.js';
import { DATA_SETS, parseDataName, type DataSet, type DataSetName } from './catalogue.js';
import { isIntact } from './digest.js';
import { fetchFiles, withHub, type FetchOptions, type FetchedFile } from './fetch.js';

/** A data set that lies in the cache. */
export interface FetchedData {
  readonly name: DataSetName;
  /** owner/name */
  readonly repository: string;
  /** The commit. */
  readonly revision: string;
  readonly splits: readonly string[];
  readonly files: readonly FetchedFile[];
}

/** The file of a split: "sst2/validation-00000-of-00001.parquet". */
function splitOf({ folder }: DataSet, path: string): string | undefined {
  const match = /^(.*)\/([a-z]+)-\d{5}-of-\d{5}\.parquet$/.exec(path);
  return match?.[1] === folder ? match[2] : undefined;
}

/**
 * Fetches a data set of the hub into the cache, all splits that a measurement can use.
 *
 * @throws {FetchError} {OutputError} {AbortedError} as `download`; {FetchError} also where a split is missing.
 */
export async function fetchData(
  name: DataSetName,
  options: FetchOptions = {},
): Promise<FetchedData> {
  const set: DataSet = DATA_SETS[name];
  const { repository, splits } = set;
  const revision = options.revision ?? 'main';
  return withHub(options, name, async (client) => {
    const listing = await client.list(repository, revision);
    const wanted = listing.files
      .filter(({ path }) => splits.includes(splitOf(set, path) ?? ''))
      .map((file) => ({ listing, file }));
    const missing = splits.filter((split) =>
      wanted.every(({ file }) => splitOf(set, file.path) !== split),
    );
    if (missing.length > 0)
      throw new FetchError({
        what: 'the repository lacks a split of the data',
        where: client.address(repository),
        got: `no ${missing.map((split) => `${set.folder}/${split}-*.parquet`).join(', ')}`,
        expected: `the layout of ${repository.name}: ${splits.join(', ')}`,
      });
    const files = await fetchFiles(client, revision, wanted, options);
    const { commit } = listing;
    return { name, repository: repository.name, revision: commit, splits, files };
  });
}

/** The number of files that a split has: "…-of-00002.parquet". */
function partsOf({ path }: CachedFile): number {
  return Number(/-of-(\d{5})\.parquet$/.exec(path)?.[1]);
}

/** The parquet files of one split of a data set in the cache. */
export interface CachedSplit {
  readonly set: DataSet;
  readonly split: string;
  /** The commit. */
  readonly revision: string;
  /** In the order of their numbers. */
  readonly files: readonly CachedFile[];
}

/**
 * The files of a data set that was fetched, checked by hash.
 *
 * @param text `sst2`, `wikitext2:test`
 * @returns undefined for a text that names no data set.
 * @throws {DataError} where it has no such split, was not fetched, or is damaged: with the command that gets it.
 */
export async function cachedData(text: string): Promise<CachedSplit | undefined> {
  const parsed = parseDataName(text);
  if (parsed === undefined) return undefined;
  const { name, set, split } = parsed;
  const command = `qslm fetch data ${name}`;
  if (!set.splits.includes(split))
    throw new DataError({
      what: 'the data set has no such split',
      where: text,
      got: split,
      expected: set.splits.map((each) => `${name}:${each}`).join(', '),
    });
  const revision = await cachedRevision(set.repository);
  const all = revision === undefined ? [] : await cachedFiles(set.repository, revision);
  const files = all.filter(({ origin }) => splitOf(set, origin.path) === split);
  if (revision === undefined || files.length === 0 || files.length !== partsOf(files[0]))
    throw new DataError({
      what: 'the data is not on this machine',
      where: text,
      got: files.length === 0 ? 'nothing of it in the cache' : 'a part of it in the cache',
      expected: `\`${command}\`, which gets it, or a path of your own`,
    });
  for (const { path, origin } of files)
    if (!(await isIntact(path, origin.bytes, origin.digest)))
      throw new DataError({
        what: 'the file has changed since it was fetched',
        where: path,
        got: 'another hash',
        expected: `\`${command}\`, which gets it again`,
      });
  return { set, split, revision, files };
}
