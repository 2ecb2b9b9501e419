/**
 * Executes the notebooks through Jupyter into out/notebooks/ (as .ipynb and as HTML that needs no
 * network), and fails on an error, an unhandled rejection or a headline number that drifted.
 *
 *   npm run notebooks                  all of them
 *   npm run notebooks -- 01 05         those whose names begin so
 *   npm run notebooks -- --update      also writes them back as they are committed, without scripts
 */
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { saveFile } from '../src/util/files.js';
import { packagePath } from '../src/util/paths.js';
import { findDrift, findFailures, findRejections } from './notebooks-check.js';
import { readNotebook, writeNotebook } from './notebooks-file.js';
import { findJupyter, HOW_TO_GET, type Jupyter } from './notebooks-jupyter.js';
import { linkedPages, withoutNetwork } from './notebooks-offline.js';
import { numbered, withoutScripts } from './notebooks-static.js';

const SOURCE = packagePath('notebooks');
const OUT = packagePath('out', 'notebooks');

/** Seconds a cell may take. */
const CELL_TIMEOUT = 600;

interface Conversion {
  readonly succeeded: boolean;
  readonly log: string;
}

function nbconvert({ command, env }: Jupyter, parameters: readonly string[]): Conversion {
  const all = ['nbconvert', '--log-level=WARN', '--output-dir', OUT, ...parameters];
  const { status, stderr } = spawnSync(command, all, { env, encoding: 'utf8', cwd: SOURCE });
  return { succeeded: status === 0, log: stderr.trim() };
}

/** @returns what went wrong, a line each. */
async function check(jupyter: Jupyter, file: string, update: boolean): Promise<string[]> {
  const execution = nbconvert(jupyter, [
    ...['--to', 'notebook', '--execute', '--allow-errors'],
    ...[`--ExecutePreprocessor.timeout=${CELL_TIMEOUT}`, file],
  ]);
  if (!execution.succeeded) return [execution.log];
  const executed = await readNotebook(join(OUT, file));
  const committed = await readNotebook(join(SOURCE, file));
  const failures = [...findFailures(executed), ...findRejections(execution.log)];
  if (failures.length > 0) return failures;
  // tslab does not tell the count; the exported page shows it.
  await writeNotebook(join(OUT, file), numbered(executed));
  const conversion = nbconvert(jupyter, ['--to', 'html', join(OUT, file)]);
  if (!conversion.succeeded) return [conversion.log];
  const page = join(OUT, file.replace(/\.ipynb$/, '.html'));
  await saveFile(page, linkedPages(withoutNetwork(await readFile(page, 'utf8'))));
  if (!update) return findDrift(executed, committed);
  await writeNotebook(join(SOURCE, file), withoutScripts(executed));
  return [];
}

async function main(parameters: readonly string[]): Promise<void> {
  const jupyter = findJupyter('nbconvert');
  if (jupyter === undefined) {
    process.stderr.write(`${HOW_TO_GET}\n`);
    process.exitCode = 1;
    return;
  }
  const update = parameters.includes('--update');
  const names = parameters.filter((each) => !each.startsWith('--'));
  const wanted = (file: string): boolean =>
    names.length === 0 || names.some((name) => file.startsWith(name));
  const files = (await readdir(SOURCE)).filter((file) => file.endsWith('.ipynb') && wanted(file));
  await mkdir(OUT, { recursive: true });
  for (const file of files.sort()) {
    const started = performance.now();
    const failures = await check(jupyter, file, update);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    process.stdout.write(`${failures.length === 0 ? 'ok    ' : 'FAILED'} ${file} (${seconds} s)\n`);
    for (const failure of failures) process.stdout.write(`${failure.replace(/^/gm, '    ')}\n`);
    if (failures.length > 0) process.exitCode = 1;
  }
  if (files.length === 0) {
    process.stderr.write(`no notebook of that name in ${SOURCE}\n`);
    process.exitCode = 1;
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = 1;
});
