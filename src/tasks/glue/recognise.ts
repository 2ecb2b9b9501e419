import { basename, dirname, resolve } from 'node:path';
import { DataError } from '../../util/errors.js';
import { describeParquet } from '../data/parquet.js';
import { readLines } from '../data/tsv.js';
import { GLUE, type GlueName } from './benchmarks.js';

type Recognised = GlueName | 'sst2';

/** SST-2's classes as GLUE's later releases name them. */
const SENTIMENTS = ['negative', 'positive'];

/**
 * The task that a parquet file is for. Its columns tell QNLI, MNLI and WikiText-2. CoLA's columns are those of
 * SST-2, and MRPC's those of RTE: these are told apart by the names of their classes, which the data sets library
 * writes into the file. Sentences and labels of neither are SST-2's, unless the path says CoLA.
 *
 * @throws {DataError} when it cannot be read, has columns of no task, or of more than one
 */
export async function taskOfParquet(path: string): Promise<Recognised | 'wikitext2'> {
  const { columns, classNames } = await describeParquet(path);
  const has = (...wanted: string[]): boolean => wanted.every((name) => columns.includes(name));
  // Before SST-2: without the question it would be evaluated on half of each pair.
  if (has('question', 'sentence', 'label')) return 'qnli';
  if (has('premise', 'hypothesis', 'label')) return 'mnli';
  if (has('sentence1', 'sentence2', 'label'))
    return byClasses(['mrpc', 'rte'], classNames) ?? ambiguous(path, columns, 'mrpc or rte');
  if (has('sentence', 'label')) {
    if (classNames !== undefined && same(classNames, SENTIMENTS)) return 'sst2';
    return byClasses(['cola'], classNames) ?? sentimentUnlessCola(path, columns);
  }
  if (has('text')) return 'wikitext2';
  throw new DataError({
    what: 'columns are missing',
    where: path,
    got: columns.length === 0 ? 'no columns' : `columns ${columns.slice(0, 8).join(', ')}`,
    expected: 'the columns sentence and label (sst2) or text (wikitext2)',
  });
}

/**
 * The task that a TSV is for, by its first lines: the columns of GLUE's own files, or of its later releases. CoLA's
 * own file has no header, and RTE's has its labels as words. What nothing is known of is SST-2's, whose reader
 * says what it expects.
 *
 * @throws {DataError} when it cannot be read, or has columns of more than one task
 */
export async function taskOfTsv(path: string): Promise<Recognised> {
  const lines = (await readLines(path, 2)).replace(/^\uFEFF/, '').split(/\r?\n/);
  const header = lines[0].split('\t');
  const has = (...wanted: string[]): boolean => wanted.every((name) => header.includes(name));
  if (has('question', 'sentence', 'label')) return 'qnli';
  if (has('gold_label') || has('premise', 'hypothesis', 'label')) return 'mnli';
  if (has('Quality', '#1 String', '#2 String')) return 'mrpc';
  if (has('sentence1', 'sentence2', 'label')) {
    const label = (lines.at(1) ?? '').split('\t').at(header.indexOf('label'));
    return byLabel(['mrpc', 'rte'], label) ?? ambiguous(path, header, 'mrpc or rte');
  }
  if (isOwnCola(header)) return 'cola';
  if (has('sentence', 'label')) return sentimentUnlessCola(path, header);
  return 'sst2';
}

/** Source, 0 or 1, the author's mark or nothing, sentence. */
function isOwnCola(columns: readonly string[]): boolean {
  return columns.length === 4 && /^[01]$/.test(columns[1]) && /^\*?$/.test(columns[2]);
}

function byClasses(
  names: readonly GlueName[],
  classNames: readonly string[] | undefined,
): GlueName | undefined {
  return names.find((name) => classNames !== undefined && same(classNames, GLUE[name].classes));
}

function byLabel(names: readonly GlueName[], label: string | undefined): GlueName | undefined {
  return names.find((name) => (GLUE[name].classes as readonly string[]).includes(label ?? ''));
}

function same(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((one, at) => one === others[at]);
}

/** The name of a file or of the folder it is in names CoLA as a word: `CoLA/dev.tsv`, `cola-dev.parquet`. */
function saysCola(path: string): boolean {
  const whole = resolve(path);
  const word = /(?:^|[^a-z])cola(?:[^a-z]|$)/i;
  return word.test(basename(whole)) || word.test(basename(dirname(whole)));
}

function sentimentUnlessCola(path: string, columns: readonly string[]): 'sst2' {
  return saysCola(path) ? ambiguous(path, columns, 'cola or sst2') : 'sst2';
}

function ambiguous(where: string, columns: readonly string[], tasks: string): never {
  throw new DataError({
    what: 'the columns are those of more than one task',
    where,
    got: `columns ${columns.slice(0, 8).join(', ')}`,
    expected: `\`task\` ${tasks}`,
  });
}
