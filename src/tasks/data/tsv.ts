import { DataError } from '../../util/errors.js';
import { formatCounted } from '../../util/format.js';
import { LONGEST_LINE, readTextFile, readTextUntil, requireText } from './text.js';

/** A sentence and its class; SST-2: 0 negative, 1 positive. */
export interface LabelledSentence {
  readonly sentence: string;
  readonly label: number;
}

/** GLUE's SST-2 columns. */
const HEADER = 'sentence\tlabel';

/**
 * `parseSst2Tsv` of a file.
 *
 * @param limit sentences that are wanted at most: lines after them are not read
 * @throws {DataError} also when the file cannot be read, is not UTF-8 or has no lines.
 */
export async function readSst2Tsv(path: string, limit?: number): Promise<LabelledSentence[]> {
  return parseSst2Tsv(await readLines(path, limit === undefined ? undefined : limit + 1), path);
}

/**
 * The text of a file of lines.
 *
 * @param count lines that are wanted at most, empty ones at the end apart: what follows them is not read
 * @throws {DataError} when the file cannot be read, is not UTF-8 or has no lines.
 */
export function readLines(path: string, count: number | undefined): Promise<string> {
  if (count === undefined) return readTextFile(path);
  return readTextUntil(path, (read) => {
    requireLines(read, path);
    return firstLines(read, count);
  });
}

/** The first lines of a text, undefined where it has no more than these. */
function firstLines(text: string, count: number): string | undefined {
  let end = -1;
  for (let line = 0; line < count; line++) {
    end = text.indexOf('\n', end + 1);
    if (end < 0) return undefined;
  }
  const begins = text.lastIndexOf('\n', end - 1) + 1;
  if (text.slice(begins, end).trim() !== '') return text.slice(0, end);
  // An empty line is a fault, but at the end of a file: up to what follows, if anything does.
  const next = text.slice(end).search(/\S/);
  return next < 0 ? undefined : text.slice(0, end + next + 1);
}

function requireLines(text: string, where: string): void {
  if (text.length - text.lastIndexOf('\n') <= LONGEST_LINE) return;
  const got = `${LONGEST_LINE} characters without a line end`;
  throw fault('no lines', where, got, 'a sentence and its label a line');
}

/**
 * Reads SST-2 in GLUE's layout (Wang et al., 2018): a header `sentence⇥label`, then one sentence and
 * one label, 0 or 1, a line. Quotation marks are literal, there is no escaping, so a line is split at
 * its tab. A byte order mark, CRLF line ends and empty lines at the end are accepted. White space
 * around a sentence is dropped: GLUE's own files end each sentence with a space that is not part of it.
 *
 * @param source names the data in errors, usually the file's path.
 * @throws {DataError} with the line: no header, columns missing or too many, an empty sentence, a label
 * other than 0 and 1, no data at all.
 */
export function parseSst2Tsv(text: string, source: string): LabelledSentence[] {
  requireText(text, source);
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  while (lines.at(-1)!.trim() === '') lines.pop();
  if (lines[0] !== HEADER) {
    const expected = `the header ${JSON.stringify(HEADER)}`;
    throw fault('no header', `${source} line 1`, quote(lines[0]), expected);
  }
  if (lines.length === 1) {
    const expected = 'one sentence and label a line';
    throw fault('no sentences', source, 'a header and nothing after it', expected);
  }
  return lines.slice(1).map((line, index) => parseLine(line, `${source} line ${index + 2}`));
}

function parseLine(line: string, where: string): LabelledSentence {
  const columns = line.split('\t');
  if (columns.length !== 2) {
    const what = columns.length < 2 ? 'missing column' : 'too many columns';
    const got = `${formatCounted(columns.length, 'column')}: ${quote(line)}`;
    throw fault(what, where, got, '2 columns, sentence and label, with one tab between them');
  }
  const [sentence, label] = [columns[0].trim(), columns[1]];
  if (sentence === '') throw fault('empty sentence', where, quote(line), 'a sentence');
  if (label !== '0' && label !== '1')
    throw fault('wrong label', where, quote(label), '0 (negative) or 1 (positive)');
  return { sentence, label: Number(label) };
}

function fault(what: string, where: string, got: string, expected: string): DataError {
  return new DataError({ what, where, got, expected });
}

/** A line as it may stand in an error message: quoted, its tabs visible, cut when it is long. */
function quote(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line);
}
