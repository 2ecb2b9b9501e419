import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const ip = (...words: readonly string[]): Promise<unknown> => promisify(execFile)('ip', words);

/** A network namespace that a cable leads to from here: what runs in it has no other way to anywhere. */
export class CutOff {
  private constructor(
    private readonly name: string,
    private readonly cable: string,
    /** Of this end, as it is reached from within. */
    readonly address: string,
  ) {}

  /** @returns undefined where this machine does not let us: it takes root, and a kernel that has them. */
  static async make(): Promise<CutOff | undefined> {
    const name = `qslm-${process.pid}`;
    const [here, there] = [`q${process.pid}a`, `q${process.pid}b`];
    // Of the block that is kept for benchmarks between networks (RFC 2544).
    const net = `198.18.${process.pid % 250}`;
    try {
      await ip('netns', 'add', name);
    } catch {
      return undefined;
    }
    const space = new CutOff(name, here, `${net}.1`);
    try {
      await ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', name);
      await ip('addr', 'add', `${net}.1/30`, 'dev', here);
      await ip('link', 'set', here, 'up');
      await ip('-n', name, 'addr', 'add', `${net}.2/30`, 'dev', there);
      await ip('-n', name, 'link', 'set', 'lo', 'up');
      await ip('-n', name, 'link', 'set', there, 'up');
      return space;
    } catch {
      await space.remove();
      return undefined;
    }
  }

  /** What a command that runs within begins with. */
  get within(): readonly string[] {
    return ['ip', 'netns', 'exec', this.name];
  }

  async cut(): Promise<void> {
    await ip('link', 'set', this.cable, 'down');
  }

  async mend(): Promise<void> {
    await ip('link', 'set', this.cable, 'up');
  }

  async remove(): Promise<void> {
    await ip('netns', 'del', this.name).catch(() => undefined);
    await ip('link', 'del', this.cable).catch(() => undefined);
  }
}
