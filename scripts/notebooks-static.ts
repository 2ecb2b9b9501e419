import { textOf, type Notebook, type Output } from './notebooks-file.js';

/**
 * The form in which an executed notebook is committed: static pictures and the specifications that
 * JupyterLab and VS Code draw, but no script (0.8 MB of vega a notebook), no times of execution. The
 * picture is kept as an image in HTML: the classic notebook shows no SVG of a notebook it does not trust.
 */
export function withoutScripts(executed: Notebook): Notebook {
  return {
    ...executed,
    cells: numbered(executed).cells.map((cell) => {
      const metadata = without(cell.metadata, 'execution');
      if (cell.cell_type !== 'code') return { ...cell, metadata };
      return { ...cell, metadata, outputs: (cell.outputs ?? []).flatMap(staticOutput) };
    }),
  };
}

/** With the code cells counted in the order in which they were run. */
export function numbered(executed: Notebook): Notebook {
  let count = 0;
  return {
    ...executed,
    cells: executed.cells.map((cell) =>
      cell.cell_type === 'code' ? { ...cell, execution_count: ++count } : cell,
    ),
  };
}

function staticOutput(output: Output): Output[] {
  if (output.output_type === 'stream' || output.output_type === 'error') return [output];
  const data = without(without(output.data, 'image/svg+xml'), 'image/png');
  const html = data['text/html'];
  if (html === undefined) return [{ ...output, data }];
  const picture = textOf(html)
    .replace(/<script>[\s\S]*?<\/script>/g, '')
    .replace('<div class="interactive" hidden></div>', '')
    // Random, so that figures do not meet; without a script nobody asks for it.
    .replace(/ id="qslm-[0-9a-f-]+"/, '')
    .replace(/\n{2,}/g, '\n')
    .trim();
  const isEmpty = picture.replace(/<style>[\s\S]*?<\/style>/g, '').trim() === '';
  return isEmpty ? [] : [{ ...output, data: { ...data, 'text/html': picture } }];
}

function without<T extends object>(record: T, member: string): T {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== member)) as T;
}
