import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { findJupyter, type Jupyter } from './notebooks-jupyter.js';

/** A Jupyter that serves notebooks. */
export interface Server {
  readonly jupyter: Jupyter;
  readonly subcommand: 'lab' | 'notebook';
  /** "JupyterLab 4.2.1" */
  readonly name: string;
}

/** Of all that are there JupyterLab, or else Notebook; which of the two generations is told by its name. */
export function chooseServer(commands?: readonly string[]): Server | undefined {
  const lab = findJupyter('lab', commands);
  if (lab !== undefined)
    return { jupyter: lab, subcommand: 'lab', name: `JupyterLab ${lab.version}` };
  const jupyter = findJupyter('notebook', commands);
  if (jupyter === undefined) return undefined;
  const classic = Number.parseInt(jupyter.version, 10) < 7;
  const name = `${classic ? 'classic Jupyter Notebook' : 'Jupyter Notebook'} ${jupyter.version}`;
  return { jupyter, subcommand: 'notebook', name };
}

/** A server that was started. */
export interface RunningServer {
  readonly child: ChildProcess;
  /** Where it listens, with the token; rejects where the server ends before it has said so. */
  readonly address: Promise<string>;
  /** Lets it stop its kernels, and waits for its end. */
  readonly stop: () => Promise<void>;
}

export interface ServerOptions {
  /** The folder that is served. */
  readonly folder: string;
  /** Options for Jupyter. */
  readonly more?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** What it writes. */
  readonly onText?: (text: string) => void;
}

/**
 * The address that a server tells first, once its line is complete. One that asks for a password has no
 * token.
 */
const ADDRESS = /https?:\/\/(?:localhost|127\.0\.0\.1)\S*(?=\s)/;

/** Starts a server without a browser. A port that is taken is passed over: Jupyter tries the next ones. */
export function startServer(
  { jupyter, subcommand }: Server,
  { folder, more = [], env = jupyter.env, onText }: ServerOptions,
): RunningServer {
  const asRoot = process.getuid?.() === 0 ? ['--allow-root'] : [];
  const child = spawn(jupyter.command, [subcommand, '--no-browser', '-y', ...asRoot, ...more], {
    cwd: folder,
    env,
    stdio: ['inherit', 'inherit', 'pipe'],
  });
  const ended = Promise.race([once(child, 'exit'), once(child, 'error')]);
  const address = new Promise<string>((resolve, reject) => {
    let seen = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      onText?.(text);
      seen += text;
      const found = ADDRESS.exec(seen);
      if (found !== null) resolve(found[0]);
    });
    child.on('error', (error) => {
      reject(new Error(`${jupyter.command} does not start: ${error.message}`));
    });
    child.on('close', () => {
      reject(new Error(`${jupyter.command} ended before it served:\n${seen.trim()}`));
    });
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await ended;
  };
  return { child, address, stop };
}
