import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FetchError, OutputError, throwIfAborted } from '../util/errors.js';
import { asOutputError, makeFolder } from '../util/files.js';
import { formatBytes } from '../util/format.js';
import type { RunOptions } from '../util/progress.js';
import type { Digest } from './cache.js';
import { addFile, digestOf, isIntact } from './digest.js';
import { Partial, beingFetched } from './partial.js';
import { persist, type Patience } from './patience.js';
import { PartRefused, PassingFault } from './request.js';

/** Seconds between two looks at what another process has fetched. */
const LOOK_SECONDS = 0.5;

/** A file that is somewhere else, by its length and content. */
export interface Source {
  /** Its name, for progress. */
  readonly path: string;
  readonly bytes: number;
  readonly digest: Digest;
  /** Its address, for messages. */
  readonly where: string;
  /** Whose word length and digest are: "the hub lists". */
  readonly word: string;
  readonly patience: Patience;
  /** The bytes from `offset` on. @throws {PassingFault} {PartRefused} {FetchError} */
  read(offset: number): AsyncIterable<Uint8Array>;
}

/**
 * Brings a file from elsewhere to a path: taken up where it was broken off, checked by length and hash, and under
 * its name only once it is whole. A file that is there and intact is left alone. Where another process is
 * fetching it, that is waited for.
 *
 * @throws {FetchError} for what its place or the way to it did; what came so far is kept for the next time,
 *   but nothing of a file whose hash is wrong.
 * @throws {OutputError} when the disk is full or not writable; nothing is left then.
 * @throws {AbortedError} when `signal` fires; what came so far is kept.
 */
export async function download(
  file: Source,
  target: string,
  run: RunOptions = {},
): Promise<'fetched' | 'there'> {
  try {
    if (await isThere(target, file)) return 'there';
    await makeFolder(dirname(target));
    if (await waitForOther(file, target, run)) return 'there';
    const partial = await Partial.claim(target);
    let keep = false;
    try {
      await requireSpace(partial, file);
      await fill(file, partial, run);
      await partial.complete();
      keep = true;
      return 'fetched';
    } catch (error) {
      keep = !(error instanceof DamagedError) && asOutputError(target, error) === error;
      if (keep) await partial.keep();
      throw error instanceof DamagedError ? error.error : error;
    } finally {
      if (!keep) await partial.discard().catch(() => undefined);
    }
  } catch (error) {
    throw asOutputError(target, error);
  }
}

async function isThere(target: string, { bytes, digest }: Source): Promise<boolean> {
  const found = await stat(target).catch(() => undefined);
  return found?.size === bytes && (await isIntact(target, bytes, digest));
}

/** @returns true once another process has brought it; false where none does, or none any longer. */
async function waitForOther(
  file: Source,
  target: string,
  { onProgress, signal }: RunOptions,
): Promise<boolean> {
  for (;;) {
    const done = await beingFetched(target);
    if (done === undefined) return isThere(target, file);
    throwIfAborted(signal, target);
    const note = 'another process fetches it';
    onProgress?.({ phase: `fetch ${file.path}`, done, total: file.bytes, unit: 'bytes', note });
    await file.patience.wait(LOOK_SECONDS, signal);
  }
}

async function requireSpace(partial: Partial, { bytes }: Source): Promise<void> {
  const { size } = await partial.file.stat();
  const { bavail, bsize } = await statfs(dirname(partial.target));
  const [free, needed] = [bavail * bsize, bytes - size];
  if (free >= needed) return;
  throw new OutputError({
    what: 'the disk has no room for it',
    where: partial.target,
    got: `${formatBytes(free)} free`,
    expected: `${formatBytes(needed)}, or QSLM_HOME on another disk`,
  });
}

/** Content that is not what was promised: nothing of it is kept. */
class DamagedError extends Error {
  constructor(readonly error: FetchError) {
    super(error.message);
  }
}

async function fill(file: Source, partial: Partial, run: RunOptions): Promise<void> {
  const { size } = await partial.file.stat();
  const resumed = size > 0;
  try {
    await fillOnce(file, partial, run);
  } catch (error) {
    if (!(error instanceof DamagedError) || !resumed) throw error;
    // The beginning was another process's, or of long ago: once more from nothing.
    await partial.file.truncate(0);
    await fillOnce(file, partial, run);
  }
}

async function fillOnce(
  file: Source,
  partial: Partial,
  { onProgress, signal }: RunOptions,
): Promise<void> {
  const { path, bytes, digest, where, word } = file;
  let done = (await partial.file.stat()).size;
  if (done > bytes) {
    await partial.file.truncate(0);
    done = 0;
  }
  let hash = digestOf(digest.algorithm, bytes);
  await addFile(hash, partial.path, done);
  const report = (note?: string): void => {
    const event = { phase: `fetch ${path}`, done, total: bytes, unit: 'bytes' };
    onProgress?.(note === undefined ? event : { ...event, note });
  };
  const attempt = async (): Promise<void> => {
    try {
      for await (const piece of file.read(done)) {
        throwIfAborted(signal, where);
        if (done + piece.length > bytes) throw tooLong(file);
        await partial.file.write(piece, 0, piece.length, done);
        hash.update(piece);
        done += piece.length;
        report();
      }
    } catch (error) {
      if (!(error instanceof PartRefused)) throw error;
      // The server gives no parts: from the beginning, and patience counts it as no progress.
      [done, hash] = [0, digestOf(digest.algorithm, bytes)];
      await partial.file.truncate(0);
      throw new PassingFault(brokenOff(where, done, bytes), 0);
    }
    if (done < bytes) throw new PassingFault(brokenOff(where, done, bytes));
  };
  report();
  await persist(attempt, {
    patience: file.patience,
    signal,
    progress: () => done,
    onWait: (seconds, fault) => {
      const { what, got } = fault.error.detail;
      report(`${what}${got === undefined ? '' : ` (${got})`}; again in ${Math.ceil(seconds)} s`);
    },
  });
  const found = hash.digest('hex');
  if (found === digest.hex) return;
  throw new DamagedError(
    new FetchError({
      what: `what came is not the file that ${word}`,
      where,
      got: `${digest.algorithm} ${found}`,
      expected: `${digest.algorithm} ${digest.hex}; nothing of it was kept`,
    }),
  );
}

function tooLong({ where, word, bytes }: Source): DamagedError {
  return new DamagedError(
    new FetchError({
      what: `what came is longer than ${word}`,
      where,
      got: `more than ${bytes} bytes`,
      expected: `${bytes} bytes; nothing of it was kept`,
    }),
  );
}

function brokenOff(where: string, done: number, bytes: number): FetchError {
  return new FetchError({
    what: 'the connection was broken off',
    where,
    got: `${done} of ${bytes} bytes`,
    expected: 'the rest; the same command goes on where it was',
  });
}
