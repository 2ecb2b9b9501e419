import { DataError } from '../../util/errors.js';
import { isRecord } from '../../util/json.js';
import { withRegularFile } from '../../util/read-file.js';
import { LARGEST_TEXT_BYTES, requireText } from './text.js';
import type { LabelledSentence } from './tsv.js';

/** Columns of the two layouts that the hub gives the data in. */
const SENTENCES = ['sentence', 'label'] as const;
const LINES = ['text'] as const;

/** Metadata of the data sets library: JSON with the features of each column. */
const LIBRARY_KEY = 'huggingface';

/** Most rows that are read: more than any data set that one model is measured on. */
const MOST_ROWS = 10_000_000;

/** A value as the reader hands it over. */
type Cell = string | number | bigint | null | undefined;

/** A file as the reader asks for its parts. */
interface Parts {
  readonly byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

interface Table extends ParquetDescription {
  readonly rows: number;
  /** Columns of the rows [from, to), [columns][to - from]. */
  read(columns: readonly string[], from: number, to: number): Promise<(readonly Cell[])[]>;
}

/** Rows that are read first where it is not known how many are needed. */
const FIRST_ROWS = 256;

/** The names in a parquet file, its rows unread. */
export interface ParquetDescription {
  readonly columns: readonly string[];
  /**
   * Names of the classes in `label`, in their order, as the data sets library writes them into the file;
   * undefined where it did not write the file.
   */
  readonly classNames: readonly string[] | undefined;
}

/** @throws {DataError} when it cannot be read. */
export function describeParquet(path: string): Promise<ParquetDescription> {
  return withTable(path, Infinity, ({ columns, classNames }) =>
    Promise.resolve({ columns, classNames }),
  );
}

/**
 * Sentences and labels of GLUE's SST-2 as parquet: columns `sentence` (text) and `label` (0 or 1); others,
 * as `idx`, are passed over. White space around a sentence is dropped, as from a TSV.
 *
 * @param limit sentences that are wanted at most: rows after them are not read
 * @throws {DataError} with the row: columns missing, an empty sentence, another label (GLUE's test split has
 *   −1 throughout), no rows.
 */
export async function readSst2Parquet(path: string, limit?: number): Promise<LabelledSentence[]> {
  const [sentences, labels] = await withTable(path, mostBytes(limit), (table) => {
    requireColumns(path, table, SENTENCES);
    return table.read(SENTENCES, 0, Math.min(table.rows, limit ?? Infinity));
  });
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
 * @param cut given the text so far, the part of it that is enough, or undefined for more: rows after it are
 *   not read
 * @throws {DataError} when the column is missing, holds no text, or all of it is white space.
 */
export function readWikitextParquet(
  path: string,
  cut?: (text: string) => string | undefined,
): Promise<string> {
  return withTable(path, mostBytes(cut), async (table) => {
    requireColumns(path, table, LINES);
    const { rows } = table;
    if (rows === 0) throw empty(path, 'lines');
    let text = '';
    for (let from = 0; from < rows; ) {
      const to = cut === undefined ? rows : Math.min(rows, Math.max(FIRST_ROWS, 2 * from));
      const [cells] = await table.read(LINES, from, to);
      text += cells.map((cell, index) => lineOf(cell, `${path} row ${from + index + 1}`)).join('');
      const enough = text.trim() === '' ? undefined : cut?.(text);
      if (enough !== undefined) return enough;
      from = to;
    }
    requireText(text, path);
    return text;
  });
}

/**
 * Rows of a parquet file with texts and a class each.
 *
 * @param texts columns of the texts
 * @param label column of whole numbers from 0
 * @param classes number of classes
 * @param limit rows that are wanted at most: those after them are not read
 * @throws {DataError} with the row: columns missing, an empty text, another label, no rows.
 */
export async function readLabelledTexts(
  path: string,
  texts: readonly string[],
  label: string,
  classes: number,
  limit?: number,
): Promise<{ readonly sentences: string[]; readonly label: number }[]> {
  const wanted = [...texts, label];
  const columns = await withTable(path, mostBytes(limit), (table) => {
    requireColumns(path, table, wanted);
    return table.read(wanted, 0, Math.min(table.rows, limit ?? Infinity));
  });
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

function lineOf(cell: Cell, where: string): string {
  const line = textOf(cell, where, 'text');
  if (line === '') return ' \n';
  return line.endsWith('\n') ? line : `${line}\n`;
}

function requireColumns(path: string, { columns }: Table, wanted: readonly string[]): void {
  if (!wanted.every((name) => columns.includes(name)))
    throw lacking(path, columns, `the columns ${wanted.join(' and ')}`);
}

/** A file that is read whole has to fit into memory; one that is read up to a limit can be of any size. */
function mostBytes(limit: unknown): number {
  return limit === undefined ? LARGEST_TEXT_BYTES : Infinity;
}

/** Opens a file for `use`, which reads what it needs of it. @throws {DataError} for no parquet, or a damaged one. */
function withTable<T>(
  path: string,
  most: number,
  use: (table: Table) => Promise<T>,
): Promise<T> {
  const expected = 'a readable parquet file';
  const options = { Failure: DataError, missing: 'cannot be read', expected, mostBytes: most };
  return withRegularFile(path, options, async (handle, byteLength) => {
    const slice = async (start: number, end = byteLength): Promise<ArrayBuffer> => {
      const bytes = new Uint8Array(Math.max(0, end - start));
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
        if (bytesRead === 0) throw new RangeError(`the file ends before byte ${end}`);
        done += bytesRead;
      }
      return bytes.buffer;
    };
    return use(await tableOf(path, { byteLength, slice }));
  });
}

async function tableOf(path: string, file: Parts): Promise<Table> {
  // An ES module; only those who read parquet wait for it.
  const parquet = await import('hyparquet');
  return guarded(path, async () => {
    const metadata = await parquet.parquetMetadataAsync(file);
    const rows = Number(metadata.num_rows);
    if (!(rows >= 0 && rows <= MOST_ROWS)) throw new RangeError(`${rows} rows`);
    const schema = parquet.parquetSchema(metadata);
    const columns = schema.children.map(({ element: { name } }) => name);
    const read: Table['read'] = (wanted, from, to) =>
      guarded(path, async () => {
        const found = (await parquet.parquetReadObjects({
          file,
          metadata,
          columns: [...wanted],
          rowStart: from,
          rowEnd: to,
          // Not for the metadata, whose smallest and largest texts may be cut within a character.
          parsers: { stringFromBytes: strictText },
        })) as readonly Readonly<Record<string, Cell>>[];
        if (found.length !== to - from)
          throw new RangeError(`${found.length} of ${to - from} rows`);
        return wanted.map((name) => found.map((row) => row[name]));
      });
    const said = metadata.key_value_metadata?.find(({ key }) => key === LIBRARY_KEY)?.value;
    return { columns, classNames: classNamesOf(said), rows, read };
  });
}

/** The names in {"info": {"features": {"label": {"names": […]}}}}; metadata of any other form say nothing. */
function classNamesOf(metadata: string | undefined): readonly string[] | undefined {
  if (metadata === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(metadata);
  } catch {
    return undefined;
  }
  for (const key of ['info', 'features', 'label', 'names'])
    value = isRecord(value) ? value[key] : undefined;
  const isNames = Array.isArray(value) && value.every((name) => typeof name === 'string');
  return isNames ? (value as string[]) : undefined;
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
