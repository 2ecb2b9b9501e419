/**
 * Starts JupyterLab, or else Notebook (7 or the classic one), on the notebooks, and prints its address.
 *
 *   npm run lab
 *   npm run lab -- --port 9000    (further options go to Jupyter)
 */
import { spawn } from 'node:child_process';
import { packagePath } from '../src/util/paths.js';
import { findJupyter, HOW_TO_GET, type Jupyter } from './notebooks-jupyter.js';

const FLAVOURS = [
  { subcommand: 'lab', name: 'JupyterLab' },
  { subcommand: 'notebook', name: 'Jupyter Notebook' },
] as const;

function start(
  { command, env }: Jupyter,
  { subcommand, name }: (typeof FLAVOURS)[number],
  more: readonly string[],
): void {
  const asRoot = process.getuid?.() === 0 ? ['--allow-root'] : [];
  const child = spawn(command, [subcommand, '--no-browser', '-y', ...asRoot, ...more], {
    cwd: packagePath('notebooks'),
    env,
    stdio: ['inherit', 'inherit', 'pipe'],
  });
  let seen = '';
  let told = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    process.stderr.write(text);
    if (told) return;
    seen += text;
    const address = /https?:\/\/(?:localhost|127\.0\.0\.1)\S*token=\w+/.exec(seen);
    if (address === null) return;
    told = true;
    process.stdout.write(`\n${name} is ready: ${address[0]}\nCtrl-C ends it.\n\n`);
  });
  // Jupyter stops its kernels and ends first; Ctrl-C has reached it as well.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => child.kill('SIGTERM'));
  child.on('error', (error) => {
    process.stderr.write(`${command} does not start: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code) => {
    process.exitCode = code ?? 0;
  });
}

function main(more: readonly string[]): void {
  for (const flavour of FLAVOURS) {
    const jupyter = findJupyter(flavour.subcommand);
    if (jupyter === undefined) continue;
    start(jupyter, flavour, more);
    return;
  }
  process.stderr.write(`${HOW_TO_GET}\n`);
  process.exitCode = 1;
}

main(process.argv.slice(2));
