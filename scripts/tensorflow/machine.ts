import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { cacheHome } from '../../src/hub/settings.js';

/** The machine that TensorFlow is set up on; a test has one of its own. */
export interface Machine {
  readonly env: NodeJS.ProcessEnv;
  /** Our folder for what is downloaded and built, shared by all checkouts. */
  readonly cache: string;
  /** The installed `@tensorflow/tfjs-node-gpu`, whose binding is built. */
  readonly package: string;
  /** Is told each step, in a line. */
  readonly tell: (line: string) => void;
}

/** A step that failed: the fault in a line, and what to do about it. */
export class SetupError extends Error {
  constructor(
    what: string,
    readonly remedy: string,
  ) {
    super(what);
    this.name = 'SetupError';
  }
}

/** A step that needs what this machine does not have: a program, or the way to the index. */
export class UnavailableError extends SetupError {}

/** Our folder beside what `qslm fetch` keeps. */
export function tensorflowCache(env: NodeJS.ProcessEnv): string {
  return join(cacheHome(env), 'tensorflow');
}

/** The outcome of a program; `code` is undefined where it could not be started. */
export interface Outcome {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** Standard output and error, in the order they came. */
  readonly output: string;
  readonly stdout: string;
}

const running = new Set<() => void>();

/** Ends the programs that run, for a setup that is interrupted. */
export function endPrograms(): void {
  for (const end of running) end();
}

/** Runs a program to its end and keeps what it prints. */
export function runProgram(
  command: string,
  parameters: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, parameters, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const end = (): void => void child.kill();
    running.add(end);
    const all: string[] = [];
    const out: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      all.push(text);
      out.push(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => void all.push(text));
    const settle = (code: number | undefined, signal: string | undefined): void => {
      running.delete(end);
      resolve({ code, signal, output: all.join(''), stdout: out.join('') });
    };
    child.on('error', (error) => {
      all.push(error.message);
      settle(undefined, undefined);
    });
    child.on('close', (code, signal) => {
      settle(code ?? undefined, signal ?? undefined);
    });
  });
}

/** The last lines of what a program printed, for an error. */
export function tailOf(output: string, lines = 6): string {
  return output.trim().split('\n').slice(-lines).join('\n');
}
