import { crc32 } from 'node:zlib';

/** Bytes of a block: small enough that reading a vector costs little more than its own bytes. */
export const BLOCK_BYTES = 64 * 1024;

/** The content of a file that was read before, for another thread to hold what it reads against. Plain data. */
export interface FileContent {
  /** Bytes of the file. */
  readonly size: number;
  /** CRC-32 of each {@link BLOCK_BYTES}, [blocks]; NaN for one that was not read yet. */
  readonly sums: Float64Array;
}

/**
 * Remembers what each block of a file was when it was first read, so that reading it again gives the same
 * bytes or nothing. A CRC finds what happens to a file by mistake (another one copied over it) all but once
 * in 2^32 blocks, and takes a twentieth of the time of decoding.
 */
export class ContentSums implements FileContent {
  readonly sums: Float64Array;

  /** @param expected the content that has to be found; by default any, as long as it stays. */
  constructor(
    readonly size: number,
    expected?: FileContent,
  ) {
    const blocks = Math.ceil(size / BLOCK_BYTES);
    this.sums =
      expected?.size === size ? expected.sums.slice() : new Float64Array(blocks).fill(NaN);
  }

  /** Bytes from the beginning of a block to that of the next, or to the end of the file. */
  bytesOf(block: number): number {
    return Math.min(BLOCK_BYTES, this.size - block * BLOCK_BYTES);
  }

  /** @returns the first of the blocks whose bytes are not those of before; undefined where all are. */
  changed(first: number, bytes: Uint8Array): number | undefined {
    for (let done = 0, block = first; done < bytes.length; done += BLOCK_BYTES, block++) {
      const sum = crc32(bytes.subarray(done, done + BLOCK_BYTES));
      if (Number.isNaN(this.sums[block])) this.sums[block] = sum;
      else if (this.sums[block] !== sum) return block;
    }
    return undefined;
  }
}
