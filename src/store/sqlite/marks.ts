import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { StoreError } from '../../util/errors.js';
import { APPLICATION_ID, SEALED_TABLES, TABLES } from './schema.js';

/*
 * The marks by which a file is known for a store of ours before SQLite is let near it, and before anything
 * is renamed: whatever else lies at a path stays as it is. Offsets: sqlite.org/fileformat2.html.
 */

/** Bytes looked at for marks: the first page, and a log up to twice the size at which it is folded in. */
const FILE_BYTES = 64 * 1024;
const LOG_BYTES = 8 * 1024 * 1024;

const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');
/** Bytes of the magic that a store with a damaged header still has. */
const LEAST_MAGIC = 12;
const HEADER_BYTES = 100;
const APPLICATION_ID_AT = 68;
/** SQLite's defaults, which the driver keeps to. */
const [PAGE_BYTES, SCHEMA_FORMAT, UTF8] = [4096, 4, 1];

/** The finding at a path: `free` for nothing, an empty file, or a database without any table. */
export type Lying = 'free' | 'log without file' | 'store';

/**
 * Looks at what lies where a store is wanted; opens nothing with SQLite, changes nothing.
 *
 * @throws {StoreError} for anything that is there and is no store of ours, damaged or not.
 */
export function lyingAt(path: string): Lying {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats !== undefined && !stats.isFile())
    refuse(path, 'cannot be opened', stats.isDirectory() ? 'a folder' : 'a device, socket or pipe');
  const head = firstBytes(path, FILE_BYTES);
  const log = firstBytes(`${path}-wal`, LOG_BYTES);
  if (head.length === 0) return log.length > 0 ? 'log without file' : 'free';
  const isOurs = hasApplicationId(head) || hasOurTables(head);
  // A log alone says nothing of a file that somebody may have put over ours.
  if (isOurs || (beginsLikeSqlite(head) && hasOurTables(log))) return 'store';
  if (!head.subarray(0, MAGIC.length).equals(MAGIC))
    refuse(path, 'is no store of measurements, and is left as it is', describeHead(head));
  if (isEmptyDatabase(head)) return 'free';
  const id = head.length < HEADER_BYTES ? 'none' : String(head.readInt32BE(APPLICATION_ID_AT));
  return refuse(path, 'this SQLite file belongs to another program', `application id ${id}`);
}

function refuse(path: string, what: string, got: string): never {
  const expected = 'a store written by qslm, or a path where nothing lies yet';
  throw new StoreError({ what, where: path, got, expected });
}

function describeHead(head: Buffer): string {
  const hex = [...head.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0'));
  return `a file that begins with the bytes ${hex.join(' ')}`;
}

/** The application id, in a header whose magic is hardly damaged: four bytes alone may lie anywhere. */
function hasApplicationId(head: Buffer): boolean {
  if (head.length < HEADER_BYTES) return false;
  return beginsLikeSqlite(head) && head.readUInt32BE(APPLICATION_ID_AT) === APPLICATION_ID;
}

function beginsLikeSqlite(head: Buffer): boolean {
  return MAGIC.filter((byte, at) => head[at] === byte).length >= LEAST_MAGIC;
}

/** A row of SQLite's own table of tables that names one of ours: "table", its name twice, its page, its SQL. */
function hasOurTables(bytes: Buffer): boolean {
  return SEALED_TABLES.some((name) => {
    const row = Buffer.from(`table${name}${name}`, 'latin1');
    for (let at = bytes.indexOf(row); at >= 0; at = bytes.indexOf(row, at + 1)) {
      const sql = bytes.subarray(at + row.length, at + row.length + 4 + TABLES[name].sql.length);
      if (sql.includes(TABLES[name].sql)) return true;
    }
    return false;
  });
}

/** A leaf page without a cell: what a process leaves that was killed before it made the tables. */
function isEmptyDatabase(head: Buffer): boolean {
  if (head.length < HEADER_BYTES + 8 || head.readUInt32BE(APPLICATION_ID_AT) !== 0) return false;
  return head[HEADER_BYTES] === 0x0d && head.readUInt16BE(HEADER_BYTES + 3) === 0;
}

/** Bytes of the header that have one value, or few, in any store. */
const FIXED: readonly [at: number, allowed: readonly number[], name: string][] = [
  [18, [1, 2], 'write version'],
  [19, [1, 2], 'read version'],
  [21, [64], 'payload fraction'],
  [22, [32], 'payload fraction'],
  [23, [32], 'payload fraction'],
];

/** The first fault in the header of a store, which SQLite would take for another file format. */
export function headerFault(path: string): string | undefined {
  const head = firstBytes(path, HEADER_BYTES);
  if (head.length < HEADER_BYTES) return undefined;
  if (!head.subarray(0, MAGIC.length).equals(MAGIC))
    return 'its first bytes are not those of SQLite';
  const wrong = FIXED.find(([at, allowed]) => !allowed.includes(head[at]));
  return wrong && `the header is overwritten; got ${wrong[2]} ${head[wrong[0]]}`;
}

/** Puts a header in order, as far as all stores have it alike, so that SQLite reads the pages after it. */
export function repairHeader(path: string): void {
  const file = openSync(path, 'r+');
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    if (readSync(file, header, 0, HEADER_BYTES, 0) < HEADER_BYTES) return;
    MAGIC.copy(header);
    const pageBytes = header.readUInt16BE(16);
    if (pageBytes !== 1 && (pageBytes < 512 || (pageBytes & (pageBytes - 1)) !== 0))
      header.writeUInt16BE(PAGE_BYTES, 16);
    for (const [at, allowed] of FIXED)
      if (!allowed.includes(header[at])) header[at] = allowed.at(-1)!;
    // Another change counter than the one its size was written at: then the size is that of the file.
    header.writeUInt32BE((header.readUInt32BE(92) + 1) >>> 0, 24);
    header.writeUInt32BE(SCHEMA_FORMAT, 44);
    header.writeUInt32BE(UTF8, 56);
    writeSync(file, header, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(file);
  }
}

/** The first bytes of a file; none of one that is not there. @throws {StoreError} when it cannot be read. */
function firstBytes(path: string, most: number): Buffer {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const bytes = Buffer.alloc(most);
    return bytes.subarray(0, readSync(file, bytes, 0, most, 0));
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    if (code === 'ENOENT') return Buffer.alloc(0);
    throw new StoreError({ what: 'cannot be opened', where: path, got: code }, { cause });
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
