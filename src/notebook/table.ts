import { tableHtml, type Cell } from '../plots/render/html.js';
import { displayBundle } from './display.js';
import { readableRow } from './table-rows.js';

/** The part of a danfojs DataFrame that is used here. */
export interface FrameLike {
  readonly columns: readonly string[];
  readonly values: unknown;
}

export interface TableOptions {
  readonly caption?: string;
  /** Columns to show, in this order; all by default. */
  readonly columns?: readonly string[];
  /** Significant digits of numbers that are not whole; 4 by default. */
  readonly digits?: number;
}

const DEFAULT_DIGITS = 4;

/** Long tables are cut; the rest is in the rows themselves. */
const MAX_ROWS = 100;

const STYLE =
  '<style>.qslm-table :is(caption, th, td) { text-align: left !important; } ' +
  '.qslm-table .number { text-align: right !important; font-variant-numeric: tabular-nums; }</style>';

/**
 * Shows rows, or a danfojs DataFrame, as a table: HTML in a notebook, text elsewhere. Candidates, fronts,
 * selections, steps and measured plans of a run can be given as they are.
 */
export function table(rows: readonly object[] | FrameLike, options: TableOptions = {}): void {
  const { caption = '', digits = DEFAULT_DIGITS } = options;
  const { columns, cells } = select(toMatrix(rows), options.columns);
  const shown = cells.slice(0, MAX_ROWS).map((row) => row.map((cell) => formatCell(cell, digits)));
  const left = cells.length - shown.length;
  const note = left > 0 ? `${caption} (${left} more rows)` : caption;
  const html = tableHtml({ caption: note, columns, rows: shown });
  displayBundle({
    'text/html': `${STYLE}\n<div class="qslm-table">${html}</div>`,
    'text/plain': tableText(note, columns, shown),
  });
}

interface Matrix {
  readonly columns: readonly string[];
  readonly cells: readonly (readonly unknown[])[];
}

function toMatrix(rows: readonly object[] | FrameLike): Matrix {
  if (isFrame(rows))
    return { columns: rows.columns, cells: rows.values as readonly (readonly unknown[])[] };
  const members = rows.map(readableRow);
  // Members that only later rows have get a column too.
  const columns = [...new Set(members.flatMap((row) => Object.keys(row)))];
  return { columns, cells: members.map((row) => columns.map((name) => row[name])) };
}

function isFrame(rows: readonly object[] | FrameLike): rows is FrameLike {
  return 'columns' in rows && 'values' in rows && typeof rows.values !== 'function';
}

function select({ columns, cells }: Matrix, wanted: readonly string[] | undefined): Matrix {
  if (wanted === undefined) return { columns, cells };
  const places = wanted.map((name) => columns.indexOf(name));
  return { columns: wanted, cells: cells.map((row) => places.map((place) => row[place])) };
}

function formatCell(value: unknown, digits: number): Cell {
  if (value === undefined || value === null) return '';
  if (typeof value === 'number') return formatNumber(value, digits);
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return JSON.stringify(value);
}

function formatNumber(value: number, digits: number): string {
  if (Number.isNaN(value)) return '—';
  const text = Number.isInteger(value)
    ? value.toLocaleString('en-US')
    : String(Number(value.toPrecision(digits)));
  return text.replace('-', '−');
}

function tableText(
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
): string {
  const lines = [columns, ...rows.map((row) => row.map(String))];
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const padded = lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column])));
  const text = padded.map((line) => line.join('  ').trimEnd());
  return [...(caption === '' ? [] : [caption]), ...text].join('\n');
}
