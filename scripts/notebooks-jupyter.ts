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
}

/** Programs called jupyter: the one named by JUPYTER, the project's own, those on the path. */
function candidates(): string[] {
  const bin = process.platform === 'win32' ? 'Scripts' : 'bin';
  const name = process.platform === 'win32' ? 'jupyter.exe' : 'jupyter';
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  const { JUPYTER: named } = process.env;
  return [...(named === undefined ? [] : [named]), join(OWN_JUPYTER, bin, name), ...onPath];
}

/** The first Jupyter that has a subcommand: "lab", "notebook", "nbconvert". */
export function findJupyter(subcommand: string): Jupyter | undefined {
  const command = candidates().find((path) => existsSync(path) && answers(path, subcommand));
  return command === undefined ? undefined : { command, env: kernelEnvironment() };
}

function answers(command: string, subcommand: string): boolean {
  return spawnSync(command, [subcommand, '--version'], { stdio: 'ignore' }).status === 0;
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
