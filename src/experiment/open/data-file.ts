import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { originOf, type Origin } from '../../hub/cache.js';
import { DATA_SET_NAMES } from '../../hub/catalogue.js';
import { cachedData } from '../../hub/data.js';
import { readSst2Parquet, readWikitextParquet } from '../../tasks/data/parquet.js';
import { readTextFile, readTextUntil, requireWords } from '../../tasks/data/text.js';
import { readSst2Tsv, type LabelledSentence } from '../../tasks/data/tsv.js';
import type { GlueName } from '../../tasks/glue/benchmarks.js';
import { taskOfParquet, taskOfTsv } from '../../tasks/glue/recognise.js';
import { readGlueParquet, readGlueTsv, type LabelledPair } from '../../tasks/glue/tsv.js';
import type { TaskName } from '../../tasks/kinds.js';
import { DataError } from '../../util/errors.js';

/** Data that a user named by a path, or by its name on the hub. */
interface NamedData {
  /** In order. */
  readonly paths: readonly string[];
  /** For people and in errors. */
  readonly source: string;
  readonly title?: string;
  /** Of a data set; of a file its ending and its columns tell. */
  readonly task: TaskName | undefined;
}

/**
 * The files that a path or the name of a data set stands for. A file of that name wins over a data set.
 *
 * @throws {DataError} where there is neither: with the command that gets it.
 */
async function locateData(data: string): Promise<NamedData> {
  const found = await stat(data).catch(() => undefined);
  const split = found === undefined ? await cachedData(data) : undefined;
  if (split !== undefined) {
    const { set, files, revision } = split;
    const title = `${set.title} ${split.split}`;
    const source = `${title} (${set.repository.name}, ${set.folder}, revision ${revision})`;
    return { paths: files.map(({ path }) => path), source, title, task: set.task };
  }
  if (found === undefined)
    throw new DataError({
      what: 'cannot be read',
      where: data,
      got: 'neither a file nor a data set of that name',
      expected: `a .tsv, a .parquet or a text, or one of ${DATA_SET_NAMES.join(', ')} (\`qslm fetch data\`)`,
    });
  return { paths: [data], source: data, task: undefined };
}

const isParquet = (path: string): boolean => extname(path).toLowerCase() === '.parquet';

/**
 * The kind of task that a data set, or the columns of a parquet file or a TSV, are for; undefined for a text.
 *
 * @throws {DataError} for columns that several tasks have.
 */
export async function taskOfData(data: string): Promise<TaskName | undefined> {
  const { task } = await locateData(data);
  if (task !== undefined) return task;
  if (isParquet(data)) return taskOfParquet(data);
  return extname(data).toLowerCase() === '.tsv' ? taskOfTsv(data) : undefined;
}

/** Data, and what it is called. */
export interface ReadData<T> {
  readonly content: T;
  readonly source: string;
  readonly title: string | undefined;
}

/**
 * Labelled sentences of a TSV, a parquet file or a data set.
 *
 * @param limit sentences at most of each file, which is read no further.
 * @throws {DataError} as their readers.
 */
export async function readSentences(
  data: string,
  limit?: number,
): Promise<ReadData<LabelledSentence[]>> {
  const { paths, source, title } = await locateData(data);
  const parts = await Promise.all(
    paths.map((path) =>
      isParquet(path) ? readSst2Parquet(path, limit) : readSst2Tsv(path, limit),
    ),
  );
  return { content: parts.flat(), source, title };
}

/** Items of a task of GLUE from a parquet file or a TSV. @throws {DataError} as their readers. */
export async function readGlue(
  name: GlueName,
  data: string,
  limit?: number,
): Promise<LabelledPair[]> {
  return isParquet(data) ? readGlueParquet(name, data, limit) : readGlueTsv(name, data, limit);
}

/**
 * Text of a file, a parquet file or a data set.
 *
 * @param cut the part of the text so far that is enough, or undefined for more: a single file is read no further.
 * @throws {DataError} as their readers, and for what has no words.
 */
export async function readProse(
  data: string,
  cut?: (text: string) => string | undefined,
): Promise<ReadData<string>> {
  const { paths, source, title } = await locateData(data);
  const parts = await Promise.all(
    paths.map((path) => {
      // The parts of a data set are one text: it is cut where all of it is there.
      const enough = paths.length > 1 ? undefined : cut;
      if (isParquet(path)) return readWikitextParquet(path, enough);
      return enough === undefined ? readTextFile(path) : readTextUntil(path, enough);
    }),
  );
  for (const part of parts) requireWords(part, source);
  return { content: parts.join(''), source, title };
}

/** The provenance of data that was fetched; undefined for any other. */
export async function originOfData(data: string | undefined): Promise<Origin | undefined> {
  if (data === undefined) return undefined;
  const [first] = (await locateData(data)).paths;
  return originOf(first);
}
