import { DataError } from '../../util/errors.js';
import { readLabelledTexts } from '../data/parquet.js';
import { requireText } from '../data/text.js';
import { readLines } from '../data/tsv.js';
import { glueBenchmark, type GlueName } from './benchmarks.js';

/** A sentence, or a pair of them, and its class. */
export interface LabelledPair {
  readonly sentences: readonly string[];
  readonly label: number;
}

/**
 * {@link parseGlueTsv} of a file.
 *
 * @param limit sentences or pairs that are wanted at most: lines after them are not read
 * @throws {DataError} also when the file cannot be read or is not UTF-8.
 */
export async function readGlueTsv(
  name: GlueName,
  path: string,
  limit?: number,
): Promise<LabelledPair[]> {
  // One more, for a header.
  const text = await readLines(path, limit === undefined ? undefined : limit + 1);
  return parseGlueTsv(name, text, path);
}

/**
 * Items of a task of GLUE from parquet, in the columns of its later releases.
 *
 * @param limit sentences or pairs that are wanted at most: rows after them are not read
 * @throws {DataError} with the row: columns that are not there, an empty sentence, a label that is no class (the
 *   test splits have −1 throughout), no rows.
 */
export async function readGlueParquet(
  name: GlueName,
  path: string,
  limit?: number,
): Promise<LabelledPair[]> {
  const { sentences, label, classes } = glueBenchmark(name);
  // The name of the later release comes last: earlier ones of a task are later ones of another.
  const later = (columns: readonly (string | number)[]): string => String(columns.at(-1));
  const texts = sentences.map(later);
  return readLabelledTexts(path, texts, later(label), classes.length, limit);
}

/**
 * Reads a task of GLUE in the columns of its own files: tabs between them, quotation marks literal, no escaping.
 * A byte order mark, CRLF line ends and empty lines at the end are accepted.
 *
 * @throws {DataError} with the line: columns that are not there, an empty sentence, an unknown label, no data.
 */
export function parseGlueTsv(name: GlueName, text: string, source: string): LabelledPair[] {
  requireText(text, source);
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  while (lines.at(-1)!.trim() === '') lines.pop();
  const { sentences, label, classes } = glueBenchmark(name);
  const first = lines[0].split('\t');
  const placeOf = (names: readonly (string | number)[], inHeader: boolean): number => {
    const known = inHeader ? names.map((one) => first.indexOf(String(one))) : names;
    const place = known.find((one) => typeof one === 'number' && one >= 0 && one < first.length);
    if (typeof place === 'number') return place;
    const expected = names.map((one) =>
      typeof one === 'number' ? `column ${one + 1}` : `"${one}"`,
    );
    throw new DataError({
      what: `not the columns of ${glueBenchmark(name).title}`,
      where: `${source} line 1`,
      got: JSON.stringify(lines[0].slice(0, 80)),
      expected: expected.join(' or '),
    });
  };
  const names = [label, ...sentences].flat();
  const hasHeader = names.some((one) => typeof one === 'string' && first.includes(one));
  const places = sentences.map((columns) => placeOf(columns, hasHeader));
  const labelPlace = placeOf(label, hasHeader);
  const rows = hasHeader ? lines.slice(1) : lines;
  if (rows.length === 0)
    throw new DataError({
      ...{ what: 'no sentences', where: source, got: 'a header and nothing after it' },
      expected: 'at least one line',
    });
  return rows.map((line, index) => {
    const where = `${source} line ${index + (hasHeader ? 2 : 1)}`;
    const columns = line.split('\t');
    return {
      sentences: places.map((place) => sentenceOf(columns[place], where)),
      label: classOf(columns[labelPlace], classes, where),
    };
  });
}

function sentenceOf(text: string | undefined, where: string): string {
  const sentence = text?.trim();
  if (sentence !== undefined && sentence !== '') return sentence;
  const what = text === undefined ? 'missing column' : 'empty sentence';
  const got = text === undefined ? 'too few columns' : JSON.stringify(text);
  throw new DataError({ what, where, got, expected: 'a sentence' });
}

function classOf(text: string | undefined, classes: readonly string[], where: string): number {
  const label = text?.trim() ?? '';
  const found = classes.indexOf(label);
  if (found >= 0) return found;
  if (/^\d$/.test(label) && Number(label) < classes.length) return Number(label);
  throw new DataError({
    what: 'wrong label',
    where,
    got: JSON.stringify(label),
    expected: `${classes.join(', ')}, or 0 to ${classes.length - 1}`,
  });
}
