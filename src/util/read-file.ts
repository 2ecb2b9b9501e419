import { constants, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { type QslmError, type ErrorDetail } from './errors.js';
import { formatBytes } from './format.js';
import { reasonOf, systemCode, systemReason } from './system-errors.js';

/** The way a file is read, and what is said where it cannot be. */
export interface ReadOptions {
  /** Class of the errors. */
  readonly Failure: new (detail: ErrorDetail, options?: ErrorOptions) => QslmError;
  /** The thing that should be there, for messages: "a Hugging Face tokenizer.json". */
  readonly expected: string;
  /** The most that such a file can be. */
  readonly mostBytes: number;
  /** Said of a file that is not there, instead of "file is missing". */
  readonly missing?: string;
}

/**
 * Reads a regular file whole, in memory of its own. A pipe, a device or a folder is refused without being read:
 * a pipe would wait for a writer, some devices never end.
 *
 * @throws {QslmError} of the class asked for, when there is no such file, it is of another kind, larger than it
 *   can be, or cannot be read.
 */
export function readRegularFile(path: string, options: ReadOptions): Promise<Buffer> {
  return withRegularFile(path, options, (file) => file.readFile());
}

/** Opens a regular file, and closes it after `use`. @throws as {@link readRegularFile}. */
export async function withRegularFile<T>(
  path: string,
  { Failure, expected, mostBytes, missing = 'file is missing' }: ReadOptions,
  use: (file: FileHandle, bytes: number) => Promise<T>,
): Promise<T> {
  let file: FileHandle | undefined;
  try {
    // Without waiting for the other end of a pipe.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    const refuse = (what: string, got: string, wanted: string): never => {
      throw new Failure({ what, where: path, got, expected: wanted });
    };
    if (!stats.isFile())
      refuse('file cannot be read', kindOf(stats), `${expected}, a regular file`);
    if (stats.size > mostBytes)
      refuse(
        'file is too large',
        formatBytes(stats.size),
        `${expected} of at most ${formatBytes(mostBytes)}`,
      );
    return await use(file, stats.size);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    const what = code === 'ENOENT' ? missing : 'file cannot be read';
    const got = systemReason(error);
    throw new Failure({ what, where: path, got, expected }, { cause: error });
  } finally {
    await file?.close();
  }
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return `EISDIR (${reasonOf('EISDIR')!})`;
  if (stats.isFIFO()) return 'a pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
}
