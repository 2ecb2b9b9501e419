import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { packagePath } from '../src/util/paths.js';

/** Where `npm run setup:jupyter` puts a Jupyter of the project's own. */
export const OWN_JUPYTER = packagePath('out', '.jupyter');

/** The program to start, and the variables it needs to find the kernel. */
export interface Jupyter {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
  /** Of the subcommand that was asked for: "7.2.1". */
  readonly version: string;
}

/** The folder of a virtual environment that its programs are in. */
export const ENVIRONMENT_BIN = process.platform === 'win32' ? 'Scripts' : 'bin';

/**
 * Programs called jupyter, whether they are there or not: the one named by JUPYTER, the project's own,
 * those on the path.
 *
 * @param own folder of the project's own environment.
 */
export function jupyterCommands(own: string, env: NodeJS.ProcessEnv): string[] {
  const name = process.platform === 'win32' ? 'jupyter.exe' : 'jupyter';
  const onPath = (env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  const { JUPYTER: named } = env;
  return [...(named === undefined ? [] : [named]), join(own, ENVIRONMENT_BIN, name), ...onPath];
}

/** The first Jupyter that has a subcommand: "lab", "notebook", "nbconvert". */
export function findJupyter(
  subcommand: string,
  commands: readonly string[] = jupyterCommands(OWN_JUPYTER, process.env),
): Jupyter | undefined {
  for (const command of commands) {
    const version = existsSync(command) ? versionOf(command, subcommand) : undefined;
    if (version !== undefined) return { command, env: kernelEnvironment(), version };
  }
  return undefined;
}

function versionOf(command: string, subcommand: string): string | undefined {
  const { status, stdout } = spawnSync(command, [subcommand, '--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** Jupyter looks for kernels in JUPYTER_PATH/kernels: nothing has to be installed. */
function kernelEnvironment(): NodeJS.ProcessEnv {
  const { JUPYTER_PATH: others } = process.env;
  const path = others === undefined ? packagePath() : `${packagePath()}${delimiter}${others}`;
  return { ...process.env, JUPYTER_PATH: path };
}

/** In one line, how to get a Jupyter. */
export const HOW_TO_GET =
  'No Jupyter was found. Get one with: npm run setup:jupyter (or set JUPYTER to the path of yours).';
