/** A cell of a CSV; undefined is an empty cell. */
export type Cell = string | number | boolean | undefined;

/** CSV after RFC 4180 with line feeds: a line of titles, then the rows. Numbers as JavaScript prints them. */
export function csvText(titles: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [titles, ...rows].map((cells) => `${cells.map(csvCell).join(',')}\n`).join('');
}

function csvCell(cell: Cell): string {
  const text = cell === undefined ? '' : String(cell);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
