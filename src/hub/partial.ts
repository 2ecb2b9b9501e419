import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/*
 * A file that is being fetched is `<file>.partial` while nobody works on it, and
 * `<file>.<host>.<process>.<random>.partial` while a process does: taking it is a rename, which one of two
 * processes wins. What a process left that was killed is taken like one that nobody works on.
 */
const SUFFIX = '.partial';

/** Claims of this process. */
const ours = new Set<string>();

/** A partial file of a process, this one or another. */
interface Claim {
  readonly path: string;
  readonly host: string;
  readonly process: number;
}

function claimName(path: string): string {
  const random = randomBytes(4).toString('hex');
  return `${path}.${safeHost()}.${process.pid}.${random}${SUFFIX}`;
}

function safeHost(): string {
  return hostname().replace(/[^\w-]/g, '-') || 'host';
}

async function claimsOf(path: string): Promise<Claim[]> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []);
  const start = `${basename(path)}.`;
  return names.flatMap((name) => {
    if (!name.startsWith(start) || !name.endsWith(SUFFIX)) return [];
    const match = /^([\w-]+)\.(\d+)\.[0-9a-f]{8}$/.exec(name.slice(start.length, -SUFFIX.length));
    if (match === null) return [];
    return [{ path: join(folder, name), host: match[1], process: Number(match[2]) }];
  });
}

/** Milliseconds after which a file that does not grow is not being fetched. */
const STALLED_MS = 30_000;

async function isLive({ path, host, process: id }: Claim): Promise<boolean> {
  if (host === safeHost() && id === process.pid) return ours.has(path);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || Date.now() - found.mtimeMs > STALLED_MS) return false;
  if (host !== safeHost()) return true;
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** The bytes that another process has of a file it is fetching; undefined where none is. */
export async function beingFetched(path: string): Promise<number | undefined> {
  for (const claim of await claimsOf(path)) {
    if (ours.has(claim.path) || !(await isLive(claim))) continue;
    const found = await stat(claim.path).catch(() => undefined);
    if (found !== undefined) return found.size;
  }
  return undefined;
}

/** A partial file that this process works on. */
export class Partial {
  private constructor(
    /** The file that it will be. */
    readonly target: string,
    readonly path: string,
    readonly file: FileHandle,
  ) {}

  /** Takes up the longest one that nobody works on, or begins one. */
  static async claim(target: string): Promise<Partial> {
    const path = claimName(target);
    ours.add(path);
    try {
      for (const free of await freeOnes(target))
        if (await renamed(free, path)) return new Partial(target, path, await open(path, 'r+'));
      return new Partial(target, path, await open(path, 'wx+'));
    } catch (error) {
      ours.delete(path);
      throw error;
    }
  }

  /** Leaves it for whoever comes next. */
  async keep(): Promise<void> {
    const { size } = await this.file.stat();
    await this.file.close();
    if (size === 0) await rm(this.path, { force: true });
    else await rename(this.path, `${this.target}${SUFFIX}`);
    ours.delete(this.path);
  }

  /** Removes it. */
  async discard(): Promise<void> {
    await this.file.close();
    await rm(this.path, { force: true });
    ours.delete(this.path);
  }

  /** Makes it the file, and removes what other processes left of it. */
  async complete(): Promise<void> {
    await this.file.sync();
    await this.file.close();
    await rename(this.path, this.target);
    ours.delete(this.path);
    for (const left of await freeOnes(this.target)) await rm(left, { force: true });
  }
}

/** Partial files that nobody works on, the longest first. */
async function freeOnes(target: string): Promise<string[]> {
  const dead: string[] = [`${target}${SUFFIX}`];
  for (const claim of await claimsOf(target)) if (!(await isLive(claim))) dead.push(claim.path);
  const sized = await Promise.all(
    dead.map(async (path) => ({ path, size: (await stat(path).catch(() => undefined))?.size })),
  );
  return sized
    .filter(({ size }) => size !== undefined)
    .sort((a, b) => b.size! - a.size!)
    .map(({ path }) => path);
}

async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    // Another process was faster.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
