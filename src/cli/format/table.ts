import { lineText } from './terminal.js';

/** A column of a text table. */
export interface Column {
  readonly title: string;
  /** Numbers stand to the right; text, the default, to the left. */
  readonly align?: 'left' | 'right';
}

/** Columns of numbers. */
export function numberColumns(...titles: readonly string[]): Column[] {
  return titles.map((title) => ({ title, align: 'right' }));
}

/** Between two columns. */
const GAP = '  ';

/**
 * A table for a terminal or a log: a line of titles, a rule, the rows; columns as wide as their widest
 * cell. Characters are taken to be one column wide.
 */
export function formatTable(
  columns: readonly Column[],
  content: readonly (readonly string[])[],
): string {
  const rows = content.map((row) => row.map(lineText));
  const widths = columns.map(({ title }, index) =>
    rows.reduce((widest, row) => Math.max(widest, row[index].length), title.length),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) =>
        columns[index].align === 'right'
          ? cell.padStart(widths[index])
          : cell.padEnd(widths[index]),
      )
      .join(GAP)
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join(GAP);
  return [line(columns.map(({ title }) => title)), rule, ...rows.map(line)].join('\n');
}

export type Fact = readonly [name: string, value: string];

/** Names and values under each other, the values aligned: "backend  wasm". */
export function formatFacts(facts: readonly Fact[]): string {
  const width = facts.reduce((widest, [name]) => Math.max(widest, name.length), 0);
  return facts.map(([name, value]) => `${name.padEnd(width)}${GAP}${lineText(value)}`).join('\n');
}
