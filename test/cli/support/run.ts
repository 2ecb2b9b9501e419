import { spawn, type ChildProcess } from 'node:child_process';
import { Writable } from 'node:stream';
import type { Host } from '../../../src/cli/host.js';
import { runCommandLine } from '../../../src/cli/run.js';
import { packagePath } from '../../../src/util/paths.js';

/** What a command line left behind. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Keeps what is written. */
export class Collector extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.text += chunk.toString();
    done();
  }
}

export interface HostOptions {
  /** Called with a function that stands for Ctrl-C, when the command has begun to listen for it. */
  readonly onListening?: (interrupt: () => void) => void;
}

/** Runs a command line within this process. */
export async function runCli(
  argv: readonly string[],
  { onListening }: HostOptions = {},
): Promise<Outcome> {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const host: Host = {
    stdout,
    stderr,
    onInterrupt: (listener) => {
      onListening?.(listener);
      return () => undefined;
    },
  };
  const code = await runCommandLine(argv, host);
  return { code, stdout: stdout.text, stderr: stderr.text };
}

const running = new Set<ChildProcess>();

/** Ends what {@link startCli} has started, also where a test has failed. */
export function endProcesses(): void {
  for (const child of running) child.kill('SIGKILL');
}

/**
 * Starts the command line as a process of its own, as it was built last: its thread cannot begin with a source.
 *
 * @param environment variables beside those of this process.
 */
export function startCli(
  argv: readonly string[],
  stdout: 'pipe' | number = 'pipe',
  environment: Readonly<Record<string, string>> = {},
): { child: ChildProcess; outcome: Promise<Outcome> } {
  const main = packagePath('dist', 'cli', 'main.js');
  const child = spawn(process.execPath, [main, ...argv], {
    stdio: ['ignore', stdout, 'pipe'],
    env: { ...process.env, ...environment },
  });
  running.add(child);
  child.on('close', () => running.delete(child));
  const text = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()));
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, ...text });
    });
  });
  return { child, outcome };
}
