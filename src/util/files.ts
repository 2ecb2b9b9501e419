import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import {
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  type FileHandle,
} from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';
import { OutputError } from './errors.js';
import { livenessOf, placeHere } from './process-place.js';
import { systemCode, systemReason } from './system-errors.js';

type Use<T> = (file: FileHandle) => Promise<T>;

/**
 * Writes a file so that a reader sees the old content or the whole new one, never a part: the bytes go
 * to a neighbour (`<path>.<writer>.partial`), are flushed to disk, and the neighbour is renamed. On any
 * failure the neighbour is removed and the old file is untouched. A link is followed; a device or a pipe
 * (`/dev/null`) is written to as it is, since renaming would put a file in its place.
 *
 * @param write receives the open neighbour; what it returns is passed on.
 * @throws {OutputError} when the disk is full, the folder cannot be made or is not writable.
 */
export async function writeFileAtomically<T>(path: string, write: Use<T>): Promise<T> {
  try {
    requirePath(path);
    const existing = await stat(path).catch(() => undefined);
    if (existing && !existing.isFile() && !existing.isDirectory())
      return await withFile(path, 'w', write);
    return await writeBeside(existing ? await realpath(path) : path, write);
  } catch (error) {
    throw asOutputError(path, error);
  }
}

function requirePath(path: string): void {
  if (path === '')
    throw new OutputError({ what: 'no path to write to', where: '""', expected: 'a path' });
}

/** Neighbours that are being written: removed when the process ends before they are complete. */
const partials = new Set<string>();
process.on('exit', () => {
  for (const partial of partials) rmSync(partial, { recursive: true, force: true });
});

/** Tells a watcher in another thread which neighbours there are: this one may be ended in the middle. */
const CHANNEL = 'qslm: partial files';

interface Announcement {
  readonly path: string;
  readonly begins: boolean;
}

/** Tells of a neighbour, a file or a folder, that begins to be written or no longer is. */
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

/** The neighbour that this process writes to: its name says who writes it, for {@link removeLeftBehind}. */
export function partialOf(path: string): string {
  return `${path}.${placeHere()}-${randomBytes(4).toString('hex')}.partial`;
}

const PARTIAL = /\.([0-9a-f]{6}-\d+-\d+)-[0-9a-f]{8}\.partial$/;
const cleaned = new Set<string>();

/**
 * Removes what processes of this machine that were killed left half-written in a folder. Looks into each
 * folder once: while a process lives, its own go with it. Never throws.
 */
export async function removeLeftBehind(folder: string): Promise<void> {
  if (cleaned.has(folder)) return;
  cleaned.add(folder);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const writer = PARTIAL.exec(name)?.[1];
    if (writer !== undefined && livenessOf(writer) === 'dead')
      await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/**
 * {@link saveFile} into a folder that may come from anyone: neither the file nor a folder on the way to it,
 * below `folder`, may be a link.
 *
 * @throws {OutputError} for a link, and as {@link writeFileAtomically}.
 */
export async function saveFileWithin(
  folder: string,
  path: string,
  content: string | Uint8Array,
): Promise<void> {
  let part = folder;
  for (const name of relative(folder, path).split(sep)) {
    part = join(part, name);
    const stats = await lstat(part).catch(() => undefined);
    if (stats === undefined || (part === path ? stats.isFile() : stats.isDirectory())) continue;
    throw new OutputError({
      what: 'will not write through it',
      where: part,
      got: stats.isSymbolicLink() ? 'a link' : 'something else of that name',
      expected: part === path ? 'a plain file, or none' : 'a folder',
    });
  }
  await saveFile(path, content);
}

async function writeBeside<T>(path: string, write: Use<T>): Promise<T> {
  const partial = partialOf(path);
  announce(partial, true);
  try {
    await makeFolder(dirname(path));
    await removeLeftBehind(dirname(path));
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

/**
 * Makes a folder and those above it; one that is there is fine. Not `mkdir`'s own `recursive`, which never ends
 * where a file system has a folder and takes none in it (`/proc`).
 *
 * @throws {Error} of the operating system.
 */
export async function makeFolder(path: string): Promise<void> {
  const isFolder = async (some: string): Promise<boolean> =>
    (await stat(some).catch(() => undefined))?.isDirectory() === true;
  try {
    await mkdir(path);
  } catch (error) {
    if (await isFolder(path)) return;
    const parent = dirname(path);
    if (systemCode(error) !== 'ENOENT' || parent === path || (await isFolder(parent))) throw error;
    await makeFolder(parent);
    await mkdir(path).catch(async (again: unknown) => {
      // Another process may have been faster.
      if (!(await isFolder(path))) throw again;
    });
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

/**
 * Writes files of one folder that are nothing without each other: all of them into a neighbour, from which
 * they are moved once they are whole. A folder that is new comes to be with all of them at once; in one that is
 * there the last of the paths comes last. On any failure before that nothing is there that was not before.
 *
 * @param paths in one folder; the one last that the others are for
 * @param build writes the files, each to the place that it is given for its path
 * @throws {OutputError} as `writeFileAtomically`, and whatever `build` throws.
 */
export async function writeTogether<T>(
  paths: readonly string[],
  build: (placeOf: (path: string) => string) => Promise<T>,
): Promise<T> {
  const main = paths[paths.length - 1];
  requirePath(main);
  const folder = dirname(main);
  const isNew = (await stat(folder).catch(() => undefined)) === undefined;
  const beside = partialOf(isNew ? folder : main);
  const placeOf = (path: string): string => join(beside, basename(path));
  announce(beside, true);
  try {
    await makeFolder(dirname(beside));
    await removeLeftBehind(dirname(beside));
    await mkdir(beside);
    const built = await build(placeOf);
    if (isNew) await rename(beside, folder);
    // A link is followed, as for a file by itself.
    else
      for (const path of paths) await rename(placeOf(path), await realpath(path).catch(() => path));
    return built;
  } catch (error) {
    throw inItsPlace(asOutputError(main, error), beside, folder);
  } finally {
    await rm(beside, { recursive: true, force: true }).catch(() => undefined);
    announce(beside, false);
  }
}

/** An error about a file as one about the file that it was to become. */
function inItsPlace(error: unknown, beside: string, folder: string): unknown {
  if (!(error instanceof OutputError) || !error.detail.where.startsWith(beside)) return error;
  const where = folder + error.detail.where.slice(beside.length);
  return new OutputError({ ...error.detail, where }, { cause: error.cause });
}

/** An {@link OutputError} for what the operating system says on writing; any other error as it is. */
export function asOutputError(path: string, error: unknown): unknown {
  // Only what the operating system says has a number; the rest are the writer's own errors.
  if (!(error instanceof Error && 'errno' in error)) return error;
  const detail = { what: 'cannot write', where: shortPath(path), got: systemReason(error) };
  return new OutputError({ ...detail, expected: 'a writable path' }, { cause: error });
}

/** A path as it is, or its folder and the start of a name that no message should hold whole. */
function shortPath(path: string): string {
  const name = basename(path);
  return name.length <= 255 ? path : join(dirname(path), `${name.slice(0, 40)}…`);
}
