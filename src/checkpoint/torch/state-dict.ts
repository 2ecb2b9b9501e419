import { CheckpointError } from '../../util/errors.js';
import type { Region, StoredTensor } from '../checkpoint-file.js';
import { describe, printable, quoted } from '../describe.js';
import { ITEM_BYTES } from '../dtypes.js';
import { elementCount, spanElements } from '../shape.js';
import { TensorReference, type StorageReference } from './objects.js';

/** The tensors of a checkpoint by name, and what else it says in plain values. */
export interface StateDict {
  readonly tensors: ReadonlyMap<string, TensorReference>;
  readonly metadata: Readonly<Record<string, string>>;
}

type Dictionary = ReadonlyMap<unknown, unknown>;

/** Keys under which training scripts put the weights. */
const NESTED_KEYS = ['state_dict', 'model'];
/** The prefix that DataParallel and DistributedDataParallel put before each name. */
const PARALLEL_PREFIX = 'module.';

/**
 * Finds the weights in what was unpickled: under `state_dict` or `model` where a dictionary with
 * tensors lies there, otherwise at the top. Values that are no tensors are passed over.
 *
 * @throws {CheckpointError} when there are no tensors.
 */
export function selectStateDict(root: unknown, site: string): StateDict {
  if (!(root instanceof Map))
    throw new CheckpointError({
      what: 'the checkpoint holds no dictionary',
      where: site,
      got: root instanceof TensorReference ? 'a tensor' : describe(root),
      expected: 'a state dict',
    });
  const top = root as Dictionary;
  const found = [...NESTED_KEYS.map((key) => top.get(key)), top].find(
    (candidate) => candidate instanceof Map && tensorsOf(candidate, site).size > 0,
  );
  if (found === undefined)
    throw new CheckpointError({
      what: 'the checkpoint holds no tensors',
      where: site,
      got: `the keys ${describeKeys(top)}`,
      expected: `tensors at the top, or under ${NESTED_KEYS.map((key) => `"${key}"`).join(' or ')}`,
    });
  const tensors = withoutPrefix(tensorsOf(found as Dictionary, site));
  return { tensors, metadata: plainValues(top) };
}

function tensorsOf(dict: Dictionary, site: string): Map<string, TensorReference> {
  const tensors = new Map<string, TensorReference>();
  for (const [name, value] of dict) {
    if (!(value instanceof TensorReference)) continue;
    if (typeof name !== 'string')
      throw new CheckpointError({
        what: 'a tensor has no name',
        where: site,
        got: describe(name),
        expected: 'text',
      });
    tensors.set(name, value);
  }
  return tensors;
}

function withoutPrefix(tensors: Map<string, TensorReference>): Map<string, TensorReference> {
  if (![...tensors.keys()].every((name) => name.startsWith(PARALLEL_PREFIX))) return tensors;
  return new Map([...tensors].map(([name, t]) => [name.slice(PARALLEL_PREFIX.length), t]));
}

function plainValues(dict: Dictionary): Record<string, string> {
  const entries: [string, string][] = [];
  for (const [key, value] of dict) {
    if (typeof key !== 'string') continue;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      entries.push([key, String(value)]);
  }
  return Object.fromEntries(entries);
}

function describeKeys(dict: Dictionary): string {
  const keys = [...dict.keys()].slice(0, 8).map((key) => describe(key));
  return `[${keys.join(', ')}${dict.size > keys.length ? ', …' : ''}]`;
}

/**
 * Finds the place of every tensor and checks that it lies within the file.
 *
 * @param regionOf the place of a storage, undefined where it is not in the file.
 * @param fileBytes bounds what a tensor may take in memory: strides of 0 can make it larger than its
 *   storage.
 * @throws {CheckpointError} naming the first tensor that does not fit, with both numbers.
 */
export function locateTensors(
  tensors: ReadonlyMap<string, TensorReference>,
  regionOf: (storage: StorageReference) => Region | undefined,
  fileBytes: number,
  site: string,
): Map<string, StoredTensor> {
  const located = new Map<string, StoredTensor>();
  for (const [name, { storage, offset, shape, strides }] of tensors) {
    const where = `${site}: tensor ${quoted(name)}`;
    const region = regionOf(storage);
    if (region === undefined)
      throw new CheckpointError({
        what: 'the data of the tensor is missing',
        where,
        got: 'no such storage in the file',
        expected: `storage ${printable(storage.key)}`,
      });
    const itemBytes = ITEM_BYTES[storage.dtype];
    requireAtMost(where, 'the storage of the tensor', storage.elements * itemBytes, region.bytes);
    const span = spanElements(shape, strides);
    if (span > 0) requireAtMost(where, 'the tensor', (offset + span) * itemBytes, region.bytes);
    requireAtMost(where, 'the tensor in memory', elementCount(shape) * itemBytes, fileBytes);
    const info = { name, dtype: storage.dtype, shape };
    located.set(name, { info, region, strides, offset: span > 0 ? offset * itemBytes : 0 });
  }
  return located;
}

function requireAtMost(where: string, subject: string, needed: number, available: number): void {
  if (needed <= available) return;
  throw new CheckpointError({
    what: `${subject} is larger than its data in the file`,
    where,
    got: `${needed} bytes`,
    expected: `at most ${available}`,
  });
}
