import { DataError } from '../../util/errors.js';
import { readTextFile, requireText } from './text.js';

/** A sentence and its class; SST-2: 0 negative, 1 positive. */
export interface LabelledSentence {
  readonly sentence: string;
  readonly label: number;
}

/** GLUE's SST-2 columns. */
const HEADER = 'sentence\tlabel';

/**
 * {@link parseSst2Tsv} of a file.
 *
 * @throws {DataError} also when the file cannot be read or is not UTF-8.
 */
export async function readSst2Tsv(path: string): Promise<LabelledSentence[]> {
  return parseSst2Tsv(await readTextFile(path), path);
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
    throw new DataError({
      what: 'no header',
      where: `${source} line 1`,
      got: quote(lines[0]),
      expected: `the header ${JSON.stringify(HEADER)}`,
    });
  }
  if (lines.length === 1) {
    throw new DataError({
      what: 'no sentences',
      where: source,
      got: 'a header and nothing after it',
      expected: 'one sentence and label a line',
    });
  }
  return lines.slice(1).map((line, index) => parseLine(line, `${source} line ${index + 2}`));
}

function parseLine(line: string, where: string): LabelledSentence {
  const columns = line.split('\t');
  if (columns.length !== 2) {
    throw new DataError({
      what: columns.length < 2 ? 'missing column' : 'too many columns',
      where,
      got: `${columns.length} ${columns.length === 1 ? 'column' : 'columns'}: ${quote(line)}`,
      expected: '2 columns, sentence and label, with one tab between them',
    });
  }
  const sentence = columns[0].trim();
  if (sentence === '') {
    throw new DataError({
      what: 'empty sentence',
      where,
      got: quote(line),
      expected: 'a sentence',
    });
  }
  if (columns[1] !== '0' && columns[1] !== '1') {
    throw new DataError({
      what: 'wrong label',
      where,
      got: quote(columns[1]),
      expected: '0 (negative) or 1 (positive)',
    });
  }
  return { sentence, label: Number(columns[1]) };
}

/** A line as it may stand in an error message: quoted, its tabs visible, cut when it is long. */
function quote(line: string): string {
  const LONGEST = 60;
  return JSON.stringify(line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line);
}
