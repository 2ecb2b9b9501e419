/**
 * PyTorch's format before 1.6: five pickles one after another (magic number, protocol version, machine,
 * the state dict, the storage keys), then each storage as an 8-byte element count and its elements
 * (torch/serialization.py, `_legacy_save`).
 */
import { CheckpointError } from '../../util/errors.js';
import type { Contents, Region } from '../checkpoint-file.js';
import { describe, printable } from '../describe.js';
import { ITEM_BYTES } from '../dtypes.js';
import type { FileSource } from '../file-source.js';
import { MAX_HEADER_BYTES } from '../limits.js';
import { StorageTable, TORCH_GLOBALS, type StorageReference } from './objects.js';
import type { PickleWorld } from './pickle-machine.js';
import { unpickle } from './pickle.js';
import { locateTensors, selectStateDict } from './state-dict.js';

/** `MAGIC_NUMBER` and `PROTOCOL_VERSION` of torch/serialization.py. */
const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn;
const PROTOCOL_VERSION = 1001;

/**
 * Opens a legacy checkpoint: the pickles are read, and the element count before each storage.
 *
 * @throws {CheckpointError} for a truncated or damaged file, a pickle that asks for more than a state
 *   dict needs, tensors outside their data.
 */
export async function readTorchLegacy(source: FileSource): Promise<Contents> {
  // The pickles have no length in front: read as much as they may take.
  const head = await source.read(0, Math.min(source.size, MAX_HEADER_BYTES));
  const pickles = new PickleSequence(source.path, head);
  pickles.expect('magic number', (value) => value === MAGIC_NUMBER);
  pickles.expect('protocol version', (value) => value === PROTOCOL_VERSION);
  pickles.expect(
    'byte order',
    (value) => value instanceof Map && value.get('little_endian') === true,
  );
  const storages = new StorageTable();
  const root = pickles.next({ persistentLoad: storages.load });
  const keys = pickles.next();
  const { tensors, metadata } = selectStateDict(root, source.path);

  const regions = await locateStorages(source, pickles.position, keys, storages.byKey);
  const regionOf = ({ key }: StorageReference): Region | undefined => regions.get(key);
  return { tensors: locateTensors(tensors, regionOf, source.size, source.path), metadata };
}

class PickleSequence {
  position = 0;

  constructor(
    private readonly site: string,
    private readonly bytes: Uint8Array,
  ) {}

  next(more: Pick<PickleWorld, 'persistentLoad'> = {}): unknown {
    const world = { site: this.site, globals: TORCH_GLOBALS, ...more };
    const { value, end } = unpickle(this.bytes, this.position, world);
    this.position = end;
    return value;
  }

  expect(what: string, isRight: (value: unknown) => boolean): void {
    const start = this.position;
    const value = this.next();
    if (isRight(value)) return;
    throw new CheckpointError({
      what: `the ${what} is not that of a PyTorch checkpoint`,
      where: `${this.site}, byte ${start}`,
      got: value instanceof Map ? 'another machine' : describe(value),
      expected: 'a file written by torch.save on a little-endian machine',
    });
  }
}

/** Walks over the storages, which lie one after another in the order of the keys. */
async function locateStorages(
  source: FileSource,
  start: number,
  keys: unknown,
  storages: ReadonlyMap<string, StorageReference>,
): Promise<Map<string, Region>> {
  const regions = new Map<string, Region>();
  if (!Array.isArray(keys))
    throw new CheckpointError({
      what: 'the list of storages is damaged',
      where: source.path,
      got: typeof keys,
      expected: 'a list of keys',
    });
  let position = start;
  for (const key of keys as readonly unknown[]) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined || regions.has(storage.key))
      throw new CheckpointError({
        what: 'the list of storages does not match the tensors',
        where: source.path,
        got: `key ${describe(key)}`,
        expected: 'each storage once',
      });
    const region = await storageAt(source, position, storage);
    regions.set(storage.key, region);
    position = region.position + region.bytes;
  }
  return regions;
}

async function storageAt(
  source: FileSource,
  position: number,
  { key, dtype, elements }: StorageReference,
): Promise<Region> {
  const where = `${source.path}: storage ${printable(key)} at byte ${position}`;
  const bytes = elements * ITEM_BYTES[dtype];
  const end = position + 8 + bytes;
  if (end > source.size)
    throw new CheckpointError({
      what: 'the file is truncated',
      where,
      got: `${source.size} bytes`,
      expected: `at least ${end}`,
    });
  const header = await source.read(position, 8);
  const count = new DataView(header.buffer).getBigInt64(0, true);
  if (count !== BigInt(elements))
    throw new CheckpointError({
      what: 'the size of the storage is not what the pickle says',
      where,
      got: `${count.toString()} elements`,
      expected: `${elements}`,
    });
  return { position: position + 8, bytes };
}
