import { readFile } from 'node:fs/promises';

/*
 * SQLite's write-ahead log (sqlite.org/fileformat2.html, "The Write-Ahead Log"): a header, then frames, each
 * a page with a header of its own. Checksums run on from frame to frame, and SQLite takes the log up to the
 * first that is wrong for all there is, without a word: commits after it are lost.
 */
const LOG_HEADER = 32;
const FRAME_HEADER = 24;
const MAGIC = 0x377f0682;

/**
 * Looks for commits of the log's own generation behind a frame whose checksum is wrong. To be called while
 * nobody writes (the write lock is held).
 *
 * @returns the fault in words; undefined for a log that is whole, empty or not there, also where a process
 *   was killed within a commit.
 */
export async function logFault(path: string): Promise<string | undefined> {
  const log = await readFile(path).catch(() => Buffer.alloc(0));
  if (log.length < LOG_HEADER) return undefined;
  const magic = log.readUInt32BE(0);
  const pageBytes = log.readUInt32BE(8);
  const bigEndian = magic === MAGIC + 1;
  const start = checksum(log.subarray(0, 24), [0, 0], bigEndian);
  const isPageSize = pageBytes >= 512 && pageBytes <= 65536 && (pageBytes & (pageBytes - 1)) === 0;
  if ((magic !== MAGIC && !bigEndian) || !isPageSize || !isAt(log, 24, start))
    return 'the log of what was written last has a damaged header, and nothing in it can be read';
  const frames = Math.floor((log.length - LOG_HEADER) / (FRAME_HEADER + pageBytes));
  let chain: Pair | undefined = start;
  let broken = 0;
  for (let frame = 0; frame < frames; frame++) {
    const at = LOG_HEADER + frame * (FRAME_HEADER + pageBytes);
    const isOwn = log.compare(log, 16, 24, at + 8, at + 16) === 0;
    if (chain !== undefined && isOwn) {
      chain = checksum(log.subarray(at, at + 8), chain, bigEndian);
      const page = log.subarray(at + FRAME_HEADER, at + FRAME_HEADER + pageBytes);
      chain = checksum(page, chain, bigEndian);
      if (isAt(log, at + 16, chain)) continue;
    }
    if (chain !== undefined) broken = frame + 1;
    chain = undefined;
    // The size of the database is there in the last frame of each commit.
    if (isOwn && log.readUInt32BE(at + 4) !== 0)
      return (
        `the log of what was written last is damaged at entry ${broken} of ${frames}, ` +
        'and what was written after that is missing'
      );
  }
  return undefined;
}

type Pair = readonly [number, number];

/** SQLite's checksum over a multiple of eight bytes, from where an earlier one ended. */
function checksum(bytes: Buffer, [first, second]: Pair, bigEndian: boolean): Pair {
  let [a, b] = [first, second];
  for (let at = 0; at < bytes.length; at += 8) {
    const [x, y] = bigEndian
      ? [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)]
      : [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    a = (a + x + b) >>> 0;
    b = (b + y + a) >>> 0;
  }
  return [a, b];
}

function isAt(log: Buffer, at: number, [first, second]: Pair): boolean {
  return log.readUInt32BE(at) === first && log.readUInt32BE(at + 4) === second;
}
