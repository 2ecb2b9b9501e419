import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ENVIRONMENT_BIN, findJupyter, jupyterCommands } from './notebooks-jupyter.js';

const PIP_PACKAGES = ['jupyterlab', 'nbconvert', 'nbclient'];
export const DEBIAN_PACKAGES = ['jupyter-notebook', 'jupyter-nbconvert', 'python3-nbclient'];

/** The machine that a Jupyter is installed on. */
export interface Host {
  /** Folder of the environment to make. */
  readonly own: string;
  readonly env: NodeJS.ProcessEnv;
  /** Whether packages of the system may be installed. */
  readonly isRoot: boolean;
  /** Is told each command, and why one could not be started. */
  readonly tell: (line: string) => void;
}

/** The Jupyter that has what `npm run lab` and `npm run notebooks` need. */
export function completeJupyter({ own, env }: Host): string | undefined {
  const commands = jupyterCommands(own, env);
  const server = findJupyter('lab', commands) ?? findJupyter('notebook', commands);
  const converter = findJupyter('nbconvert', commands);
  return server === undefined ? undefined : converter?.command;
}

/**
 * JupyterLab in an environment of its own, or else, where the user may, Debian's packages.
 *
 * @returns whether all that is needed is there now.
 */
export function installJupyter(host: Host): boolean {
  if (!installWithPip(host)) {
    // Half an environment would be found, and fail.
    rmSync(host.own, { recursive: true, force: true });
    if (!installWithApt(host)) return false;
  }
  return completeJupyter(host) !== undefined;
}

function installWithPip(host: Host): boolean {
  const python = process.platform === 'win32' ? 'python' : 'python3';
  if (!run(host, python, ['-m', 'venv', host.own])) return false;
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', ...PIP_PACKAGES];
  return run(host, join(host.own, ENVIRONMENT_BIN, 'python'), pip);
}

function installWithApt(host: Host): boolean {
  if (!host.isRoot) return false;
  const install = ['install', '-y', '--no-install-recommends', ...DEBIAN_PACKAGES];
  return run(host, 'apt-get', ['update']) && run(host, 'apt-get', install);
}

function run({ env, tell }: Host, command: string, parameters: readonly string[]): boolean {
  tell(`> ${command} ${parameters.join(' ')}`);
  const { status, error } = spawnSync(command, parameters, { stdio: 'inherit', env });
  if (error !== undefined) tell(error.message);
  return status === 0;
}
