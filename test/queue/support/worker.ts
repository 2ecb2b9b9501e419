import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { packagePath } from '../../../src/util/paths.js';

/** A `qslm worker` in a process of its own. */
export class WorkerProcess {
  private text = '';

  private constructor(readonly process: ChildProcess) {
    for (const stream of [process.stdout, process.stderr])
      stream?.on('data', (data: Buffer) => (this.text += data.toString()));
  }

  /**
   * Starts it, or with ODD in its environment an odd one; returns once it waits for work.
   *
   * @param within a command that runs the one behind it in its own place: `ip netns exec …`
   */
  static async start(
    url: string,
    models: string,
    environment: Readonly<Record<string, string>>,
    more: readonly string[] = [],
    within: readonly string[] = [],
  ): Promise<WorkerProcess> {
    const ours = (name: string): string => packagePath('test', 'queue', 'support', name);
    const flags = ['worker', '--queue', url, '--models', models, '--threads', '1', ...more];
    const plain = [packagePath('dist', 'cli', 'main.js'), ...flags];
    const command =
      environment['ODD'] === 'slow'
        ? ['--require', 'tsx/cjs', '--require', ours('slow-share.ts'), ...plain]
        : 'ODD' in environment
          ? ['--import', 'tsx', ours('odd-worker.ts'), url, models]
          : plain;
    const [program, ...rest] = [...within, process.execPath, ...command];
    const worker = new WorkerProcess(
      spawn(program, rest, {
        env: { ...process.env, ...environment },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
    await worker.says(/waiting for work/);
    return worker;
  }

  get said(): string {
    return this.text;
  }

  get isAlive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Waits until it has said something. @throws {Error} when it ends before, or after a minute. */
  async says(pattern: RegExp): Promise<void> {
    const until = Date.now() + 60_000;
    while (!pattern.test(this.text)) {
      if (!this.isAlive || Date.now() > until) throw new Error(`no ${pattern} in: ${this.text}`);
      await pause(20);
    }
  }

  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (!this.isAlive) return;
    const gone = once(this.process, 'exit');
    this.process.kill(signal);
    await gone;
  }
}
