import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Notebook } from '../../../scripts/notebooks-file.js';
import { packagePath } from '../../../src/util/paths.js';
import type { KeptRun } from './runs.js';

/** Where `npm run notebooks` writes to. */
const FOLDER = packagePath('out', 'notebooks');

/** A notebook that was executed and exported. */
export interface ExportedNotebook {
  /** Of the page. */
  readonly address: string;
  /** Of its figures, in order. */
  readonly specs: readonly FigureSpec[];
}

/** What is used of a figure's specification. */
export interface FigureSpec {
  readonly params?: readonly { readonly name: string; readonly expr?: string }[];
  readonly data?: { readonly values?: readonly FigureRow[] };
}

interface FigureRow {
  readonly step?: number;
  readonly bytes?: number;
  readonly cells?: readonly object[];
  /** Of the search selected from 0, of those beside it from 1. */
  readonly run?: number;
}

/** Names of the notebooks of the package, in order. */
export function notebookNames(): string[] {
  return readdirSync(packagePath('notebooks'))
    .filter((name) => name.endsWith('.ipynb'))
    .sort();
}

/** What was exported of a notebook, if it was. */
export function exported(name: string): ExportedNotebook | undefined {
  const notebook = join(FOLDER, name);
  const page = notebook.replace(/ipynb$/, 'html');
  if (!existsSync(notebook) || !existsSync(page)) return undefined;
  return { address: pathToFileURL(page).href, specs: specsOf(notebook) };
}

function specsOf(path: string): FigureSpec[] {
  const { cells } = JSON.parse(readFileSync(path, 'utf8')) as Notebook;
  return cells
    .flatMap(({ outputs = [] }) => outputs)
    .flatMap((output) => ('data' in output ? [output.data] : []))
    .flatMap((data) => {
      const spec = data['application/vnd.vegalite.v5+json'];
      return spec === undefined ? [] : [spec as FigureSpec];
    });
}

/** True of a figure of one search, with sliders for λ and the limits. */
export function hasLambda({ params = [] }: FigureSpec): boolean {
  return params.some(({ name }) => name === 'lambdaPlans');
}

/** The run that a figure selects from: the one that tried the plans it shows as its, under the same limits. */
export function runOf(
  { data, params = [] }: FigureSpec,
  runs: readonly KeptRun[],
): KeptRun | undefined {
  const limit = params.find(({ name }) => name === 'bytesLimit')?.expr ?? '';
  const shown = (data?.values ?? []).filter(({ cells = [], run }) => cells.length > 0 && run === 0);
  if (shown.length === 0) return undefined;
  return runs.find(
    ({ steps, candidates: { limits } }) =>
      limit.includes(` ${limits.bytes ?? 1e300} `) &&
      steps.length === shown.length &&
      shown.every((row) => steps[row.step ?? NaN]?.bytes === row.bytes),
  );
}
