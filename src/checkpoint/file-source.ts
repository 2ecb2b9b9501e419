import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { CheckpointError } from '../util/errors.js';
import { reasonOf, systemCode } from '../util/system-errors.js';

/** Read and hash in pieces: a signal gets through between two, and no buffer grows with the file. */
const PIECE_BYTES = 8 * 1024 * 1024;

/** A file read by position. Every failure is a CheckpointError that names the file. */
export class FileSource {
  private constructor(
    readonly path: string,
    /** Size on opening, in bytes. */
    readonly size: number,
    private readonly file: FileHandle,
  ) {}

  /** Opens a file. @throws {CheckpointError} when it is missing, a folder, a device, or empty. */
  static async open(path: string): Promise<FileSource> {
    try {
      // Before opening: opening a named pipe would wait for a writer.
      const stats = await stat(path);
      requireContent(path, stats);
      return new FileSource(path, stats.size, await open(path, 'r'));
    } catch (error) {
      throw asCheckpointError(path, error);
    }
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
    for (let done = 0; done < target.length;) {
      const length = Math.min(PIECE_BYTES, target.length - done);
      const { bytesRead } = await this.file
        .read(target, done, length, position + done)
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
  }

  /** CRC-32 (zip's) of bytes [position, position + length). */
  async crc32(position: number, length: number): Promise<number> {
    let crc = 0;
    await this.eachPiece(position, length, PIECE_BYTES, (piece) => (crc = crc32(piece, crc)));
    return crc;
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
    const buffer = new Uint8Array(Math.min(pieceBytes, length));
    for (let done = 0; done < length;) {
      const piece = buffer.subarray(0, Math.min(buffer.length, length - done));
      await this.readInto(piece, position + done);
      use(piece);
      done += piece.length;
    }
  }

  /** Closes the file. Reading afterwards throws. */
  close(): Promise<void> {
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
