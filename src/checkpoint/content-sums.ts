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

  /**
   * CRC-32 of bytes that were read and held against the sums, from those: only what lies in a block of which it is
   * a part is gone through again.
   *
   * @param position of `bytes` in the file.
   */
  crc32Of(bytes: Uint8Array, position: number): number {
    let crc = 0;
    for (let done = 0; done < bytes.length;) {
      const at = position + done;
      const left = BLOCK_BYTES - (at % BLOCK_BYTES);
      const part = bytes.subarray(done, done + left);
      // The block is all there.
      if (part.length === BLOCK_BYTES) crc = joined(crc, this.sums[at / BLOCK_BYTES]);
      else crc = crc32(part, crc);
      done += part.length;
    }
    return crc;
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

/** CRC-32 of one zero bit turned to one, [32], after a block of zeros; made when it is first needed. */
let turned: Uint32Array | undefined;

/**
 * CRC-32 of bytes and a whole block after them, from the CRC-32 of each. A CRC is linear over GF(2): that of the
 * first moves on by a block of zeros, bit by bit, and the block's is added (as zlib's crc32_combine).
 */
function joined(crc: number, block: number): number {
  turned ??= Uint32Array.from({ length: 32 }, (_, bit) => {
    // zlib inverts the register before and after.
    return ~crc32(new Uint8Array(BLOCK_BYTES), ~(1 << bit) >>> 0);
  });
  let sum = block;
  for (let bit = 0; bit < 32; bit++) if ((crc >>> bit) & 1) sum ^= turned[bit];
  return sum >>> 0;
}
