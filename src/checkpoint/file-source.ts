import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { CheckpointError } from '../util/errors.js';
import { reasonOf, systemCode } from '../util/system-errors.js';
import { BLOCK_BYTES, ContentSums, type FileContent } from './content-sums.js';

/** Read and hash in pieces: a signal gets through between two, and no buffer grows with the file. */
const PIECE_BYTES = 8 * 1024 * 1024;
/** Read while as much is checked; a multiple of a block. */
const STEP_BYTES = 1 << 20;

/**
 * A file read by position. What was read once is read again as the same bytes, or not at all: another file may
 * be copied over this one while it is open. Every failure is a CheckpointError that names the file.
 */
export class FileSource {
  /** The block that was read last of those that were not wanted whole. */
  private last: { readonly block: number; readonly bytes: Uint8Array } | undefined;

  private constructor(
    readonly path: string,
    private readonly sums: ContentSums,
    private readonly file: FileHandle,
  ) {}

  /**
   * Opens a file.
   *
   * @param expected the content that another thread has read at this path
   * @throws {CheckpointError} when it is missing, a folder, a device, empty, or of another size than expected.
   */
  static async open(path: string, expected?: FileContent): Promise<FileSource> {
    let file: FileHandle | undefined;
    try {
      // Without waiting: opening a named pipe would wait for a writer.
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const stats = await file.stat();
      requireContent(path, stats);
      if (expected !== undefined && stats.size !== expected.size)
        throw changedError(path, `${stats.size} bytes`, `${expected.size} bytes, as before`);
      return new FileSource(path, new ContentSums(stats.size, expected), file);
    } catch (error) {
      await file?.close();
      throw asCheckpointError(path, error);
    }
  }

  /** Size on opening, in bytes. */
  get size(): number {
    return this.sums.size;
  }

  /** All that was read so far, for {@link open} in another thread. */
  get content(): FileContent {
    return { size: this.size, sums: this.sums.sums.slice() };
  }

  /** Bytes [position, position + length), in memory of their own. Checks the bounds first. */
  async read(position: number, length: number): Promise<Uint8Array> {
    this.requireWithin(position, length);
    const bytes = new Uint8Array(length);
    await this.readInto(bytes, position);
    return bytes;
  }

  /** Fills `target` from `position` on. */
  async readInto(target: Uint8Array, position: number): Promise<void> {
    this.requireWithin(position, target.length);
    const end = position + target.length;
    for (let at = position; at < end;) {
      const block = Math.floor(at / BLOCK_BYTES);
      const start = block * BLOCK_BYTES;
      // Whole blocks go straight to where they are wanted.
      const whole = end === this.size ? end : end - (end % BLOCK_BYTES);
      let until = Math.min(whole, at + PIECE_BYTES);
      if (at === start && until > at) {
        await this.fill(target.subarray(at - position, until - position), at);
      } else {
        until = Math.min(end, start + this.sums.bytesOf(block));
        const bytes = await this.blockBytes(block);
        target.set(bytes.subarray(at - start, until - start), at - position);
      }
      at = until;
    }
  }

  private async blockBytes(block: number): Promise<Uint8Array> {
    if (this.last?.block !== block) {
      const bytes = new Uint8Array(this.sums.bytesOf(block));
      await this.fill(bytes, block * BLOCK_BYTES);
      this.last = { block, bytes };
    }
    return this.last.bytes;
  }

  /** Reads whole blocks, the next ones while the last are checked. @throws {CheckpointError} for others than before. */
  private async fill(target: Uint8Array, position: number): Promise<void> {
    const load = (from: number): Promise<Uint8Array> =>
      this.load(target.subarray(from, from + STEP_BYTES), position + from);
    let next = load(0);
    for (let done = 0; done < target.length;) {
      const bytes = await next;
      const start = position + done;
      done += bytes.length;
      if (done < target.length) next = readAhead(load(done));
      const changed = this.sums.changed(start / BLOCK_BYTES, bytes);
      if (changed === undefined) continue;
      const got = `other content from byte ${changed * BLOCK_BYTES} on`;
      throw changedError(this.path, got, 'the content that was read before');
    }
  }

  private async load(target: Uint8Array, position: number): Promise<Uint8Array> {
    for (let done = 0; done < target.length;) {
      const { bytesRead } = await this.file
        .read(target, done, target.length - done, position + done)
        .catch((error: unknown) => {
          throw asCheckpointError(this.path, error);
        });
      if (bytesRead === 0)
        throw new CheckpointError({
          what: 'the file became shorter while it was read',
          where: this.path,
          got: `${position + done} bytes`,
          expected: `${this.size} bytes, its size on opening`,
        });
      done += bytesRead;
    }
    return target;
  }

  /** CRC-32 (zip's) of bytes [position, position + length). */
  async crc32(position: number, length: number): Promise<number> {
    let crc = 0;
    await this.eachPiece(position, length, PIECE_BYTES, (piece) => (crc = crc32(piece, crc)));
    return crc;
  }

  /** The same of bytes that {@link read} or {@link readInto} has just read from `position`; nothing is read. */
  crc32Of(bytes: Uint8Array, position: number): number {
    return this.sums.crc32Of(bytes, position);
  }

  /** SHA-256 of the whole file, lower-case hex. */
  async sha256(): Promise<string> {
    const hash = createHash('sha256');
    await this.eachPiece(0, this.size, PIECE_BYTES, (piece) => hash.update(piece));
    return hash.digest('hex');
  }

  /** Hands over bytes [position, position + length) in order. A piece is valid until the call returns. */
  async eachPiece(
    position: number,
    length: number,
    pieceBytes: number,
    use: (piece: Uint8Array) => void,
  ): Promise<void> {
    this.requireWithin(position, length);
    // One is used while the other is read into.
    const buffers = [0, 1].map(() => new Uint8Array(Math.min(pieceBytes, length)));
    const load = async (done: number): Promise<Uint8Array> => {
      buffers.reverse();
      const piece = buffers[0].subarray(0, Math.min(pieceBytes, length - done));
      await this.readInto(piece, position + done);
      return piece;
    };
    let next = load(0);
    for (let done = 0; done < length;) {
      const piece = await next;
      done += piece.length;
      if (done < length) next = readAhead(load(done));
      use(piece);
    }
  }

  /** Closes the file. Reading afterwards throws. */
  close(): Promise<void> {
    this.last = undefined;
    return this.file.close();
  }

  private requireWithin(position: number, length: number): void {
    // Written so that NaN fails too.
    if (position >= 0 && length >= 0 && position + length <= this.size) return;
    throw new CheckpointError({
      what: 'the file is truncated, or points beyond its end',
      where: this.path,
      got: `${this.size} bytes`,
      expected: `${length} bytes from position ${position}`,
    });
  }
}

/** A reading that nobody waits for yet: if what comes before it fails, its own failure is none of interest. */
function readAhead<T>(reading: Promise<T>): Promise<T> {
  reading.catch(() => undefined);
  return reading;
}

function changedError(path: string, got: string, expected: string): CheckpointError {
  return new CheckpointError({
    what: 'the file was changed while it was in use; nothing measured since then is kept',
    where: path,
    got,
    expected,
  });
}

function requireContent(path: string, stats: Stats): void {
  if (!stats.isFile())
    throw new CheckpointError({
      what: 'cannot read a checkpoint from it',
      where: path,
      got: stats.isDirectory() ? 'a folder' : 'a device, socket or pipe',
      expected: 'a file',
    });
  if (stats.size === 0)
    throw new CheckpointError({
      what: 'the file is empty',
      where: path,
      got: '0 bytes',
      expected: 'a PyTorch or safetensors checkpoint',
    });
}

function asCheckpointError(path: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  const detail = { what: reasonOf(code) ?? 'cannot read', where: path, got: code };
  return new CheckpointError({ ...detail, expected: 'a checkpoint file' }, { cause: error });
}
