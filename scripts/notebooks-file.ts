import { readFile } from 'node:fs/promises';
import { saveFile } from '../src/util/files.js';

/** A notebook file (nbformat 4): what is used of it here. */
export interface Notebook {
  cells: Cell[];
  metadata: Record<string, unknown>;
}

export interface Cell {
  readonly cell_type: 'code' | 'markdown' | 'raw';
  readonly source: Text;
  metadata: { readonly tags?: readonly string[]; execution?: unknown };
  execution_count?: number | null;
  outputs?: Output[];
}

/** Text is kept whole or as a list of lines. */
export type Text = string | readonly string[];

export type Output = StreamOutput | DisplayOutput | ErrorOutput;

interface StreamOutput {
  readonly output_type: 'stream';
  readonly name: 'stdout' | 'stderr';
  readonly text: Text;
}
interface DisplayOutput {
  readonly output_type: 'display_data' | 'execute_result';
  data: Record<string, unknown>;
}
interface ErrorOutput {
  readonly output_type: 'error';
  readonly evalue: string;
}

export function textOf(text: unknown): string {
  return Array.isArray(text) ? text.join('') : String(text);
}

export async function readNotebook(path: string): Promise<Notebook> {
  return JSON.parse(await readFile(path, 'utf8')) as Notebook;
}

/** Written as Jupyter writes it: one space of indentation, a newline at the end. */
export async function writeNotebook(path: string, notebook: Notebook): Promise<void> {
  await saveFile(path, `${JSON.stringify(notebook, null, 1)}\n`);
}

/** What a cell printed: its streams and the plain text of its displays. */
export function plainText({ outputs = [] }: Cell): string {
  return outputs
    .map((output) => {
      if (output.output_type === 'stream') return textOf(output.text);
      if (output.output_type === 'error') return output.evalue;
      return `${textOf(output.data['text/plain'] ?? '')}\n`;
    })
    .join('');
}
