import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';
import { OutputError } from './errors.js';
import { reasonOf, systemCode, systemReason } from './system-errors.js';

type Use<T> = (file: FileHandle) => Promise<T>;

/**
 * Writes a file so that a reader sees the old content or the whole new one, never a part: the bytes go
 * to a neighbour (`<path>.<random>.partial`), are flushed to disk, and the neighbour is renamed. On any
 * failure the neighbour is removed and the old file is untouched. A link is followed; a device or a pipe
 * (`/dev/null`) is written to as it is, since renaming would put a file in its place.
 *
 * @param write receives the open neighbour; what it returns is passed on.
 * @throws {OutputError} when the disk is full, the folder cannot be made or is not writable.
 */
export async function writeFileAtomically<T>(path: string, write: Use<T>): Promise<T> {
  try {
    const existing = await stat(path).catch(() => undefined);
    if (existing && !existing.isFile() && !existing.isDirectory())
      return await withFile(path, 'w', write);
    return await writeBeside(existing ? await realpath(path) : path, write);
  } catch (error) {
    throw asOutputError(path, error);
  }
}

/** Neighbours that are being written: removed when the process ends before they are complete. */
const partials = new Set<string>();
process.on('exit', () => {
  for (const partial of partials) rmSync(partial, { force: true });
});

/** Tells a watcher in another thread which neighbours there are: this one may be ended in the middle. */
const CHANNEL = 'qslm: partial files';

interface Announcement {
  readonly path: string;
  readonly begins: boolean;
}

function announce(path: string, begins: boolean): void {
  if (begins) partials.add(path);
  else partials.delete(path);
  if (isMainThread) return;
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage({ path: resolve(path), begins } satisfies Announcement);
  channel.close();
}

/** The neighbours that other threads are writing at the moment, until `stop`; does not keep a process alive. */
export function watchPartials(): Iterable<string> & { readonly stop: () => void } {
  const paths = new Set<string>();
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (message) => {
    const { path, begins } = (message as { readonly data: Announcement }).data;
    if (begins) paths.add(path);
    else paths.delete(path);
  };
  channel.unref();
  return {
    [Symbol.iterator]: () => paths.values(),
    stop: () => {
      channel.close();
    },
  };
}

async function writeBeside<T>(path: string, write: Use<T>): Promise<T> {
  const partial = `${path}.${randomBytes(4).toString('hex')}.partial`;
  announce(partial, true);
  try {
    await makeFolder(dirname(path));
    const result = await withFile(partial, 'wx', async (file) => {
      const written = await write(file);
      await file.sync();
      return written;
    });
    await rename(partial, path);
    return result;
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw error;
  } finally {
    announce(partial, false);
  }
}

/** Makes a folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    // On a read-only file system Node says that there is no such folder: one by one it says why.
    if (dirname(path) !== path) await makeFolder(dirname(path));
    await mkdir(path);
  }
}

async function withFile<T>(path: string, flags: 'w' | 'wx', use: Use<T>): Promise<T> {
  const file = await open(path, flags);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** {@link writeFileAtomically} for content that is already in memory. */
export async function saveFile(path: string, content: string | Uint8Array): Promise<void> {
  await writeFileAtomically(path, (file) => file.writeFile(content));
}

/** An {@link OutputError} for what the operating system says on writing; any other error as it is. */
export function asOutputError(path: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined || reasonOf(code) === undefined) return error;
  const detail = { what: 'cannot write', where: path, got: systemReason(error) };
  return new OutputError({ ...detail, expected: 'a writable path' }, { cause: error });
}
