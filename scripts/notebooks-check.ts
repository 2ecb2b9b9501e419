import { plainText, textOf, type Cell, type Notebook } from './notebooks-file.js';

/** Cells with this tag print numbers that must not drift. */
export const HEADLINE_TAG = 'headline';

/** Largest relative difference of a headline number: backends round differently. */
const TOLERANCE = 0.01;

const NUMBER = /[−-]?\d+(?:[.,]\d+)*/g;

/**
 * What went wrong in an executed notebook, a line each. tslab reports an error, a mistake in the code and
 * an unhandled rejection alike: as text on the standard error of a cell, with the cell counted as run.
 */
export function findFailures(executed: Notebook): string[] {
  return executed.cells.flatMap((cell, index) =>
    (cell.outputs ?? []).flatMap((output) => {
      if (output.output_type === 'error') return [`cell ${index + 1}: ${output.evalue}`];
      if (output.output_type !== 'stream' || output.name !== 'stderr') return [];
      return [`cell ${index + 1}: ${textOf(output.text).trim()}`];
    }),
  );
}

/**
 * Rejections that nobody waited for, with the indented lines that belong to each. One that comes when its cell has ended is in none of the
 * outputs; the kernel writes it into the log of the program that runs it.
 */
export function findRejections(log: string): string[] {
  return log.match(/^UnhandledPromiseRejection:.*(?:\n .*)*/gm) ?? [];
}

/** Headline numbers that differ from those of the committed notebook, a line each. */
export function findDrift(executed: Notebook, committed: Notebook): string[] {
  const [now, before] = [executed, committed].map((notebook) =>
    notebook.cells.filter(({ metadata }) => metadata.tags?.includes(HEADLINE_TAG)),
  );
  if (now.length !== before.length)
    return [`${now.length} headline cells where ${before.length} were committed`];
  return now.flatMap((cell, index) => compareHeadlines(cell, before[index]));
}

function compareHeadlines(now: Cell, before: Cell): string[] {
  const [text, expected] = [plainText(now), plainText(before)];
  const [numbers, wanted] = [numbersOf(text), numbersOf(expected)];
  const same =
    text.replace(NUMBER, '#') === expected.replace(NUMBER, '#') &&
    numbers.every((value, place) => isClose(value, wanted[place]));
  return same ? [] : [`a headline drifted:\n${text.trim()}\nwas\n${expected.trim()}`];
}

function numbersOf(text: string): number[] {
  return (text.match(NUMBER) ?? []).map((each) =>
    Number(each.replace('−', '-').replaceAll(',', '')),
  );
}

function isClose(value: number, wanted: number): boolean {
  return Math.abs(value - wanted) <= TOLERANCE * Math.max(Math.abs(value), Math.abs(wanted));
}
