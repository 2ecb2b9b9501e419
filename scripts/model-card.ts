import { stat } from 'node:fs/promises';
import {
  CHECKPOINT_FILE,
  TOKENIZER_FILE,
  type BundledModel,
} from '../src/experiment/open/model-file.js';
import { sha256File } from '../src/util/hash.js';
import { packagePath } from '../src/util/paths.js';

export function cardPath(model: BundledModel): string {
  return packagePath('data', 'models', model, 'MODEL_CARD.md');
}

/** The card with a table of the files beside it, as they are, between its two marks. */
export async function withFileTable(card: string, model: BundledModel): Promise<string> {
  const rows: string[] = [];
  for (const file of [CHECKPOINT_FILE, TOKENIZER_FILE]) {
    const path = packagePath('data', 'models', model, file);
    const bytes = (await stat(path)).size.toLocaleString('en-US');
    rows.push(`| \`${file}\` | ${bytes} | \`${await sha256File(path)}\` |`);
  }
  const table = ['| file | bytes | sha256 |', '|---|---|---|', ...rows].join('\n');
  const marks = /(?<=<!-- files -->\n)[\s\S]*(?=<!-- \/files -->)/;
  if (!marks.test(card)) throw new Error(`${cardPath(model)} has no marks for its files`);
  return card.replace(marks, `${table}\n`);
}
