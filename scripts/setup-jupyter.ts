/**
 * Gets a Jupyter for the notebooks: JupyterLab in a virtual environment under out/, or, where Python
 * has none and the user may install packages, Debian's. Does nothing where one is there.
 *
 *   npm run setup:jupyter
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { findJupyter, OWN_JUPYTER } from './notebooks-jupyter.js';

const PIP_PACKAGES = ['jupyterlab', 'nbconvert', 'nbclient'];
const DEBIAN_PACKAGES = ['jupyter-notebook', 'jupyter-nbconvert', 'python3-nbclient'];

function run(command: string, parameters: readonly string[]): boolean {
  process.stdout.write(`> ${command} ${parameters.join(' ')}\n`);
  return spawnSync(command, parameters, { stdio: 'inherit' }).status === 0;
}

/** What is needed for `npm run lab` and `npm run notebooks`, with the Jupyter that has it. */
function complete(): string | undefined {
  const server = findJupyter('lab') ?? findJupyter('notebook');
  const converter = findJupyter('nbconvert');
  return server === undefined ? undefined : converter?.command;
}

function installWithPip(): boolean {
  const windows = process.platform === 'win32';
  const [bin, python] = windows ? ['Scripts', 'python'] : ['bin', 'python3'];
  if (!run(python, ['-m', 'venv', OWN_JUPYTER])) return false;
  return run(join(OWN_JUPYTER, bin, 'python'), ['-m', 'pip', 'install', ...PIP_PACKAGES]);
}

function installWithApt(): boolean {
  if (process.getuid?.() !== 0) return false;
  return run('apt-get', ['update']) && run('apt-get', ['install', '-y', ...DEBIAN_PACKAGES]);
}

function main(): void {
  const there = complete();
  if (there !== undefined) {
    process.stdout.write(`Jupyter is there: ${there}. Start it with: npm run lab\n`);
    return;
  }
  let installed = installWithPip();
  if (!installed) {
    // Half an environment would be found, and fail.
    rmSync(OWN_JUPYTER, { recursive: true, force: true });
    installed = installWithApt();
  }
  if (installed && complete() !== undefined) {
    process.stdout.write('Jupyter is ready. Start it with: npm run lab\n');
    return;
  }
  process.stderr.write(
    'Jupyter could not be installed: it needs python3 with venv and pip, or Debian’s packages ' +
      `(as root: apt-get install ${DEBIAN_PACKAGES.join(' ')}).\n`,
  );
  process.exitCode = 1;
}

main();
