import { DataError } from '../../util/errors.js';
import { readBytes, requireText } from './text.js';
import type { LabelledSentence } from './tsv.js';

/** Columns of the two layouts that the hub gives the data in. */
const SENTENCES = ['sentence', 'label'] as const;
const LINES = ['text'] as const;

/** Most rows that are read: more than any data set that one model is measured on. */
const MOST_ROWS = 10_000_000;

/** A value as the reader hands it over. */
type Cell = string | number | bigint | null | undefined;

interface Table {
  readonly columns: readonly string[];
  /** Columns of all rows, [columns][rows]. */
  read(columns: readonly string[]): Promise<(readonly Cell[])[]>;
}

/**
 * The layout of a parquet file: `sst2` with the columns sentence and label, `qnli` with a question beside them,
 * `mnli` with premise, hypothesis and label, `wikitext2` with the column text. CoLA's columns are those of SST-2,
 * and MRPC's those of RTE: these tasks have to be named.
 *
 * @throws {DataError} when it cannot be read, or has none of these.
 */
export async function parquetLayout(path: string): Promise<'sst2' | 'qnli' | 'mnli' | 'wikitext2'> {
  const { columns } = await openTable(path);
  const has = (wanted: readonly string[]): boolean => wanted.every((name) => columns.includes(name));
  // Before SST-2: without the question it would be evaluated on half of each pair.
  if (has(['question', ...SENTENCES])) return 'qnli';
  if (has(['premise', 'hypothesis', 'label'])) return 'mnli';
  if (has(['sentence1', 'sentence2', 'label']))
    throw new DataError({
      what: 'the columns are those of more than one task',
      where: path,
      got: `columns ${columns.join(', ')}`,
      expected: '`task` mrpc or rte',
    });
  if (has(SENTENCES)) return 'sst2';
  if (has(LINES)) return 'wikitext2';
  throw lacking(path, columns, 'the columns sentence and label (sst2) or text (wikitext2)');
}

/**
 * Sentences and labels of GLUE's SST-2 as parquet: columns `sentence` (text) and `label` (0 or 1); others,
 * as `idx`, are passed over. White space around a sentence is dropped, as from a TSV.
 *
 * @throws {DataError} with the row: columns missing, an empty sentence, another label (GLUE's test split has
 *   −1 throughout), no rows.
 */
export async function readSst2Parquet(path: string): Promise<LabelledSentence[]> {
  const [sentences, labels] = await readColumns(path, SENTENCES);
  if (sentences.length === 0) throw empty(path, 'sentences');
  return sentences.map((cell, index) => {
    const where = `${path} row ${index + 1}`;
    const sentence = textOf(cell, where, 'sentence').trim();
    if (sentence === '')
      throw new DataError({ what: 'empty sentence', where, expected: 'a sentence' });
    const label = Number(labels[index] ?? NaN);
    if (label === 0 || label === 1) return { sentence, label };
    throw new DataError({
      what: 'wrong label',
      where,
      got: label === -1 ? '−1, as where labels are kept back' : String(labels[index]),
      expected: '0 (negative) or 1 (positive)',
    });
  });
}

/**
 * The text of WikiText as parquet: column `text`, a line a row with its line end. An empty row stands for the
 * line of one space that the distribution in text files has between paragraphs, so that both give the same
 * text.
 *
 * @throws {DataError} when the column is missing, holds no text, or all of it is white space.
 */
export async function readWikitextParquet(path: string): Promise<string> {
  const [rows] = await readColumns(path, LINES);
  if (rows.length === 0) throw empty(path, 'lines');
  const lines = rows.map((cell, index) => {
    const line = textOf(cell, `${path} row ${index + 1}`, 'text');
    if (line === '') return ' \n';
    return line.endsWith('\n') ? line : `${line}\n`;
  });
  const text = lines.join('');
  requireText(text, path);
  return text;
}

/**
 * Rows of a parquet file with texts and a class each.
 *
 * @param texts columns of the texts
 * @param label column of whole numbers from 0
 * @param classes number of classes
 * @throws {DataError} with the row: columns missing, an empty text, another label, no rows.
 */
export async function readLabelledTexts(
  path: string,
  texts: readonly string[],
  label: string,
  classes: number,
): Promise<{ readonly sentences: string[]; readonly label: number }[]> {
  const columns = await readColumns(path, [...texts, label]);
  const given = columns[texts.length];
  if (given.length === 0) throw empty(path, 'sentences');
  return given.map((cell, index) => {
    const where = `${path} row ${index + 1}`;
    const sentences = texts.map((name, at) => {
      const sentence = textOf(columns[at][index], where, name).trim();
      if (sentence !== '') return sentence;
      throw new DataError({ what: 'empty sentence', where, got: "''", expected: 'a sentence' });
    });
    const found = Number(cell ?? NaN);
    if (Number.isInteger(found) && found >= 0 && found < classes)
      return { sentences, label: found };
    throw new DataError({
      what: 'wrong label',
      where,
      got: found === -1 ? '−1, as where labels are kept back' : String(cell),
      expected: `0 to ${classes - 1}`,
    });
  });
}

async function readColumns(
  path: string,
  wanted: readonly string[],
): Promise<(readonly Cell[])[]> {
  const table = await openTable(path);
  if (!wanted.every((name) => table.columns.includes(name)))
    throw lacking(path, table.columns, `the columns ${wanted.join(' and ')}`);
  return table.read(wanted);
}

/** @throws {DataError} for a file that is no parquet, or damaged. */
async function openTable(path: string): Promise<Table> {
  const bytes = await readBytes(path, 'a readable parquet file');
  const file = {
    byteLength: bytes.length,
    slice: (start: number, end = bytes.length): ArrayBuffer =>
      new Uint8Array(bytes.subarray(start, end)).buffer,
  };
  // An ES module; only those who read parquet wait for it.
  const parquet = await import('hyparquet');
  return guarded(path, async () => {
    const metadata = await parquet.parquetMetadataAsync(file);
    const rows = Number(metadata.num_rows);
    if (!(rows >= 0 && rows <= MOST_ROWS)) throw new RangeError(`${rows} rows`);
    const schema = parquet.parquetSchema(metadata);
    const columns = schema.children.map(({ element: { name } }) => name);
    const read = (wanted: readonly string[]): Promise<(readonly Cell[])[]> =>
      guarded(path, async () => {
        const found = (await parquet.parquetReadObjects({
          file,
          metadata,
          columns: [...wanted],
          // Not for the metadata, whose smallest and largest texts may be cut within a character.
          parsers: { stringFromBytes: strictText },
        })) as readonly Readonly<Record<string, Cell>>[];
        if (found.length !== rows) throw new RangeError(`${found.length} of ${rows} rows`);
        return wanted.map((name) => found.map((row) => row[name]));
      });
    return { columns, read };
  });
}

/** A replacement character in place of a broken byte would be evaluated as if it were data. */
function strictText(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    const expected = 'a parquet file, whole, with text in UTF-8';
    throw new DataError({ what: 'cannot be read', where: path, got, expected }, { cause });
  }
}

function textOf(cell: Cell, where: string, column: string): string {
  if (typeof cell === 'string') return cell;
  const got = cell === null || cell === undefined ? 'nothing' : `a ${typeof cell}`;
  throw new DataError({ what: 'not a text', where, got, expected: `text in column ${column}` });
}

function lacking(path: string, columns: readonly string[], expected: string): DataError {
  const got = columns.length === 0 ? 'no columns' : `columns ${columns.slice(0, 8).join(', ')}`;
  return new DataError({ what: 'columns are missing', where: path, got, expected });
}

function empty(where: string, what: string): DataError {
  return new DataError({ what: `no ${what}`, where, got: 'no rows', expected: 'at least one' });
}
