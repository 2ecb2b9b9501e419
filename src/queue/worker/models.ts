import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../checkpoint/open.js';
import type { FileContent } from '../../checkpoint/types.js';
import { QueueError } from '../../util/errors.js';

/** A checkpoint by its content. */
export interface WantedFile {
  readonly sha256: string;
  readonly bytes: number;
  /** For people. */
  readonly name: string;
}

/** A checkpoint that was found, and what its hash is of. */
export interface FoundFile {
  readonly path: string;
  readonly content: FileContent | undefined;
}

const DEEPEST = 4;
const MOST_FILES = 20_000;
const CHECKPOINTS = /\.(?:safetensors|pth|pt|bin)$/;

/**
 * Finds checkpoints by their SHA-256 below a folder. Jobs name no paths: a worker reads what its own folder has,
 * and nothing else.
 */
export class ModelFolder {
  /** Hash by path, size and time of change. */
  private readonly known = new Map<string, Promise<string>>();

  constructor(private readonly folder: string) {}

  /** @returns undefined where no file has that content. */
  async find({ sha256, bytes }: WantedFile): Promise<FoundFile | undefined> {
    for (const path of await this.files()) {
      const stats = await stat(path).catch(() => undefined);
      if (stats?.isFile() !== true || stats.size !== bytes) continue;
      const key = `${path} ${stats.size} ${stats.mtimeMs}`;
      const hash = this.known.get(key) ?? hashOf(path);
      this.known.set(key, hash);
      if ((await hash) === sha256) return { path, content: await contentOf(path, sha256) };
    }
    return undefined;
  }

  private async files(): Promise<string[]> {
    const found: string[] = [];
    const walk = async (folder: string, depth: number): Promise<void> => {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        if (found.length >= MOST_FILES) return;
        const path = join(folder, entry.name);
        if (entry.isDirectory() && depth < DEEPEST) await walk(path, depth + 1);
        else if (CHECKPOINTS.test(entry.name)) found.push(path);
      }
    };
    await walk(this.folder, 0);
    return found;
  }
}

/** Nothing for a file that is no checkpoint. */
async function hashOf(path: string): Promise<string> {
  try {
    const file = await openCheckpoint(path);
    try {
      return await file.sha256();
    } finally {
      await file.close();
    }
  } catch {
    return '';
  }
}

/** The content that threads hold what they read against: a file that changes later is found out. */
export async function contentOf(path: string, sha256: string): Promise<FileContent | undefined> {
  const file = await openCheckpoint(path);
  try {
    if ((await file.sha256()) === sha256) return await file.content?.();
  } finally {
    await file.close();
  }
  throw new QueueError({
    what: 'the file was changed while it was looked at',
    where: path,
    expected: `the content with SHA-256 ${sha256}`,
  });
}
