/** Text as HTML content or attribute value. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/**
 * JavaScript or JSON that can stand inside a script element: text that would end the element or hide its
 * end is written as an escape, which means the same in strings, regular expressions and JSON.
 */
export function escapeScript(source: string): string {
  return source.replace(/<(?=\/script|script|!--)/gi, '\\u003c');
}

/**
 * An SVG picture as an `img` element. Not inlined: several vega pictures in one page share the ids of
 * their clip paths, and an image can run no script.
 */
export function svgImage(svg: string, alt: string): string {
  const data = Buffer.from(svg, 'utf8').toString('base64');
  return `<img src="data:image/svg+xml;base64,${data}" alt="${escapeHtml(alt)}">`;
}

/** A value of a table: numbers are set to the right, and shown as they are; text may have several lines. */
export type Cell = string | number;

/** The numbers behind a figure. */
export interface HtmlTable {
  readonly caption: string;
  /** True where long cells break into lines: settings, hashes. */
  readonly wraps?: boolean;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/**
 * A table that a screen reader can walk: caption, header cells with their scope. The first column names
 * the rows; a column whose cells are all numbers is set to the right.
 */
export function tableHtml({ caption, columns, rows, wraps = false }: HtmlTable): string {
  const numeric = columns.map(
    (_, column) => column > 0 && rows.every((row) => isNumber(row[column])),
  );
  const css = (column: number): string => (numeric[column] ? ' class="number"' : '');
  const heads = columns.map(
    (name, column) => `<th scope="col"${css(column)}>${inLines(name)}</th>`,
  );
  const lines = rows.map((row) => {
    const cells = row.map((cell, column) => {
      const text = inLines(String(cell));
      return column === 0 ? `<th scope="row">${text}</th>` : `<td${css(column)}>${text}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return [
    wraps ? '<table class="wraps">' : '<table>',
    `<caption>${escapeHtml(caption)}</caption>`,
    `<thead><tr>${heads.join('')}</tr></thead>`,
    `<tbody>\n${lines.join('\n')}\n</tbody>`,
    '</table>',
  ].join('\n');
}

/** Escaped text, a line break of HTML for each of its own. */
function inLines(text: string): string {
  return escapeHtml(text).replaceAll('\n', '<br>');
}

/** A number, or text that starts as one: "77.7 %", "−1.2". */
function isNumber(cell: Cell): boolean {
  return typeof cell === 'number' || /^[−+-]?\d/.test(cell);
}
