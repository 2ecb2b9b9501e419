/**
 * Makes the bundled models from the checkpoints of their training, with the project's own command, and
 * writes size and sha256 into the model cards.
 *
 *   npm run models -- FOLDER    (with spikegpt-mini.pth, spikegpt-mini-sst2.pth and tokenizer.json)
 *   npm run models              (only the tables in the cards)
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommandLine } from '../src/cli/run.js';
import { BUNDLED_MODELS, type BundledModel } from '../src/experiment/open/model-file.js';
import { saveFile } from '../src/util/files.js';
import { packagePath } from '../src/util/paths.js';
import { cardPath, withFileTable } from './model-card.js';

const SETTINGS: Readonly<Record<BundledModel, readonly string[]>> = {
  'spikegpt-mini': ['--meta', 'text_style=wikitext'],
  // A classifier has no use for the language-model head: 18 % of the file.
  'spikegpt-mini-sst2': ['--meta', 'text_style=sst2', '--exclude', 'head.weight'],
};

async function bundle(model: BundledModel, source: string): Promise<void> {
  const folder = packagePath('data', 'models', model);
  const code = await runCommandLine(
    [
      ...['convert', join(source, `${model}.pth`), '--out', join(folder, '/'), '--force'],
      ...['--tokenizer', join(source, 'tokenizer.json'), '--dtype', 'float16'],
      ...['--embedding', 'spike', '--context-length', '256'],
      ...['--meta', `name=${model}`, '--meta', 'license=MIT; see MODEL_CARD.md'],
      ...SETTINGS[model],
    ],
    { stdout: process.stdout, stderr: process.stderr, onInterrupt: () => () => undefined },
  );
  if (code !== 0) throw new Error(`convert ended with ${code}`);
}

async function main(source: string | undefined): Promise<void> {
  if (source !== undefined) await stat(source);
  for (const model of BUNDLED_MODELS) {
    if (source !== undefined) await bundle(model, source);
    const card = cardPath(model);
    await saveFile(card, await withFileTable(await readFile(card, 'utf8'), model));
  }
}

void main(process.argv.at(2));
