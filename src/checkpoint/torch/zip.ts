/**
 * PyTorch's format since 1.6: a zip of `<name>/data.pkl` and one uncompressed entry
 * `<name>/data/<key>` for each storage (torch/serialization.py, caffe2/serialize/inline_container.h).
 */
import { fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from 'yauzl';
import { CheckpointError } from '../../util/errors.js';
import type { Contents, Region } from '../checkpoint-file.js';
import { printable } from '../describe.js';
import type { FileSource } from '../file-source.js';
import { MAX_HEADER_BYTES, MAX_NAME_CHARACTERS, MAX_ZIP_ENTRIES } from '../limits.js';
import { StorageTable, TORCH_GLOBALS } from './objects.js';
import { unpickle } from './pickle.js';
import { locateTensors, selectStateDict } from './state-dict.js';

const PICKLE_ENTRY = /^[^/]+\/data\.pkl$/;
const STORED = 0;
const ENCRYPTED = 1;

/** The bit of an entry's attributes that marks it as a folder: of such a one torch reads what memory held. */
const FOLDER = 0x10;

/**
 * Opens a zip checkpoint: directory and pickle are read, tensors only located.
 *
 * @throws {CheckpointError} for a truncated or damaged zip, compressed or encrypted entries, sizes that
 *   exceed the file, a pickle that asks for more than a state dict needs, a storage described in two ways, tensors outside
 *   their data.
 */
export async function readTorchZip(source: FileSource): Promise<Contents> {
  const entries = await readDirectory(source);
  const pickleName = [...entries.keys()].find((name) => PICKLE_ENTRY.test(name));
  if (pickleName === undefined)
    throw new CheckpointError({
      what: 'the zip is no PyTorch checkpoint',
      where: source.path,
      got: `${entries.size} entries, none of them <name>/data.pkl`,
      expected: 'a file written by torch.save',
    });
  const folder = pickleName.slice(0, -'data.pkl'.length);
  const site = `${source.path}: ${printable(pickleName)}`;
  await requireLittleEndian(source, entries.get(`${folder}byteorder`));

  const pickle = await readPickle(source, entries.get(pickleName)!, site);
  const storages = new StorageTable();
  const world = { site, globals: TORCH_GLOBALS, persistentLoad: storages.load };
  const { value } = unpickle(pickle, 0, world);
  const { tensors, metadata } = selectStateDict(value, source.path);
  const regionOf = ({ key }: { key: string }): Region | undefined =>
    entries.get(`${folder}data/${key}`);
  return { tensors: locateTensors(tensors, regionOf, source.size, source.path), metadata };
}

/** The place of each entry's content. */
async function readDirectory(source: FileSource): Promise<Map<string, Region>> {
  try {
    const reader = new ZipSource(source);
    const zip = await fromRandomAccessReaderPromise(reader, source.size, { autoClose: false });
    return await readEntries(source, zip);
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    const got = error instanceof Error ? error.message : String(error);
    const expected = 'a complete file written by torch.save';
    const detail = { what: 'the zip is truncated or damaged', where: source.path, got, expected };
    throw new CheckpointError(detail, { cause: error });
  }
}

async function readEntries(source: FileSource, zip: ZipFile): Promise<Map<string, Region>> {
  const refuse = (what: string, got: string, expected: string): never => {
    throw new CheckpointError({ what, where: source.path, got, expected });
  };
  if (zip.entryCount > MAX_ZIP_ENTRIES)
    refuse('the zip has too many entries', `${zip.entryCount}`, `at most ${MAX_ZIP_ENTRIES}`);
  const entries = new Map<string, Region>();
  let total = 0;
  for await (const entry of zip.eachEntry()) {
    const name = printable(entry.fileName);
    if (entry.fileName.length > MAX_NAME_CHARACTERS)
      refuse(
        'the name of a zip entry is too long',
        `${entry.fileName.length} characters, ${name}`,
        `at most ${MAX_NAME_CHARACTERS}`,
      );
    if (entries.has(entry.fileName)) refuse('a zip entry is there twice', name, 'different names');
    if (entry.compressionMethod !== STORED || (entry.generalPurposeBitFlag & ENCRYPTED) !== 0)
      refuse(
        `zip entry ${name} is compressed or encrypted, which torch.save never does`,
        `${entry.compressedSize} bytes that claim to hold ${entry.uncompressedSize}`,
        'stored bytes, so that each tensor can be read by its position',
      );
    if ((entry.externalFileAttributes & FOLDER) !== 0 && entry.uncompressedSize > 0)
      refuse(
        `zip entry ${name} is marked as a folder, and torch would read something else`,
        `attributes ${entry.externalFileAttributes}, ${entry.uncompressedSize} bytes`,
        'a file',
      );
    total += entry.uncompressedSize;
    if (!(total <= source.size))
      refuse(
        'the zip claims to hold more than the file',
        `${total} bytes`,
        `at most ${source.size}`,
      );
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    entries.set(entry.fileName, {
      position: fileDataStart,
      bytes: entry.uncompressedSize,
      // torch.serialization.set_crc32_options(False) leaves it 0.
      ...(entry.crc32 === 0 ? {} : { crc32: entry.crc32 }),
    });
  }
  return entries;
}

async function readPickle(source: FileSource, region: Region, site: string): Promise<Uint8Array> {
  if (region.bytes > MAX_HEADER_BYTES)
    throw new CheckpointError({
      what: 'the pickle is too large for a state dict',
      where: site,
      got: `${region.bytes} bytes`,
      expected: `at most ${MAX_HEADER_BYTES}, enough for 20,000 tensors`,
    });
  const crc = await source.crc32(region.position, region.bytes);
  if (region.crc32 !== undefined && crc !== region.crc32)
    throw new CheckpointError({
      what: 'the pickle is damaged',
      where: site,
      got: `CRC-32 ${crc.toString(16)}`,
      expected: `${region.crc32.toString(16)}, as recorded in the file`,
    });
  return source.read(region.position, region.bytes);
}

/** PyTorch 2.1 and later say so in an entry of its own; before, all files were little-endian. */
async function requireLittleEndian(source: FileSource, region: Region | undefined): Promise<void> {
  if (region === undefined) return;
  const order = await source.read(region.position, Math.min(region.bytes, 16));
  const text = new TextDecoder().decode(order);
  if (text !== 'little')
    throw new CheckpointError({
      what: 'the checkpoint was written on a machine with another byte order',
      where: source.path,
      got: printable(text),
      expected: 'little',
    });
}

/** Lets yauzl read through our own checks: a position beyond the file is an error, not a crash. */
class ZipSource extends RandomAccessReader {
  constructor(private readonly source: FileSource) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    const target = buffer.subarray(offset, offset + length);
    this.source.readInto(target, position).then(() => {
      callback(null);
    }, callback);
  }
}
