/**
 * The objects that the pickle of a PyTorch state dict may contain (PyTorch: torch/_utils.py,
 * torch/serialization.py). Tensors stay references until they are read.
 */
import { CheckpointError } from '../../util/errors.js';
import { describe, printable } from '../describe.js';
import type { Dtype } from '../dtypes.js';
import { MAX_DIMENSIONS, MAX_NAME_CHARACTERS } from '../limits.js';
import { PickleGlobal, type Site } from './pickle-machine.js';

/** `torch.FloatStorage` and its kind: a name that stands for an element type. */
class StorageType extends PickleGlobal {
  constructor(
    name: string,
    readonly dtype: Dtype,
  ) {
    super(name);
  }
}

/** A block of elements, stored apart from the pickle under its key. */
export class StorageReference {
  constructor(
    readonly key: string,
    readonly dtype: Dtype,
    /** Number of elements. */
    readonly elements: number,
  ) {}
}

/** A view of a storage; offset and strides in elements. */
export class TensorReference {
  constructor(
    readonly storage: StorageReference,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

const STORAGE_DTYPES: Readonly<Record<string, Dtype>> = {
  DoubleStorage: 'float64',
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
};

/** The names a state dict needs, and no other. `torch.cuda` where old files were saved from a GPU. */
export const TORCH_GLOBALS: ReadonlyMap<string, PickleGlobal> = new Map(
  [
    new PickleGlobal('collections.OrderedDict', orderedDict),
    new PickleGlobal('torch._utils._rebuild_tensor_v2', rebuildTensor),
    new PickleGlobal('torch._utils._rebuild_tensor', rebuildTensor),
    new PickleGlobal('torch._utils._rebuild_parameter', rebuildParameter),
    ...Object.entries(STORAGE_DTYPES).flatMap(([name, dtype]) => [
      new StorageType(`torch.${name}`, dtype),
      new StorageType(`torch.cuda.${name}`, dtype),
    ]),
  ].map((allowed) => [allowed.name, allowed]),
);

function orderedDict(args: readonly unknown[], site: Site): Map<unknown, unknown> {
  // Items follow with SETITEMS. Items as an argument (Python 2) would allow copying without limit.
  if (args.length !== 0) throw unexpected(site, 'OrderedDict is called with arguments');
  return new Map();
}

/** (storage, offset, size, stride, requires_grad, backward_hooks); only the first four matter. */
function rebuildTensor(args: readonly unknown[], site: Site): TensorReference {
  const [storage, offset, shape, strides] = args;
  if (!(storage instanceof StorageReference))
    throw unexpected(site, 'a tensor is built from something that is no storage');
  const sizes = indices(shape, 'size', site);
  const steps = indices(strides, 'stride', site);
  if (sizes.length !== steps.length)
    throw unexpected(
      site,
      'a tensor has not one stride for each size',
      `${sizes.length} sizes and ${steps.length} strides`,
    );
  return new TensorReference(storage, index(offset, 'storage offset', site), sizes, steps);
}

/** (data, requires_grad, backward_hooks). */
function rebuildParameter(args: readonly unknown[], site: Site): TensorReference {
  const data = args[0];
  if (data instanceof TensorReference) return data;
  throw unexpected(site, 'a parameter is built from something that is no tensor');
}

/** The storages that a pickle refers to. */
export class StorageTable {
  private readonly known = new Map<string, StorageReference>();

  get byKey(): ReadonlyMap<string, StorageReference> {
    return this.known;
  }

  /**
   * Turns a persistent id into a storage, the same one for the same key.
   *
   * @throws {CheckpointError} as {@link storageFromPersistentId}, and for a key that was described otherwise
   *   before: another reader may believe the first description where this one believes the second.
   */
  readonly load = (id: unknown, site: Site): StorageReference => {
    const storage = storageFromPersistentId(id, site);
    const known = this.known.get(storage.key) ?? storage;
    if (known.dtype !== storage.dtype || known.elements !== storage.elements)
      throw unexpected(
        site,
        `storage ${printable(storage.key)} is described in two ways`,
        `${storage.elements} of ${storage.dtype}`,
        `${known.elements} of ${known.dtype}, as before`,
      );
    this.known.set(storage.key, known);
    return known;
  };
}

/**
 * ('storage', type, key, device, elements), and in the legacy format a view of the storage.
 *
 * @throws {CheckpointError} for a persistent id of another kind ("module": a whole pickled model).
 */
function storageFromPersistentId(id: unknown, site: Site): StorageReference {
  if (!Array.isArray(id) || id[0] !== 'storage')
    throw unexpected(site, 'a persistent id is no storage');
  const [, type, key, , elements, view] = id as readonly unknown[];
  if (!(type instanceof StorageType)) throw unexpected(site, 'the type of a storage is unknown');
  if (typeof key !== 'string') throw unexpected(site, 'the key of a storage is no text');
  if (key.length > MAX_NAME_CHARACTERS)
    throw unexpected(
      site,
      'the key of a storage is too long',
      `${key.length} characters`,
      `at most ${MAX_NAME_CHARACTERS}`,
    );
  if (Array.isArray(view) && view[1] !== 0)
    throw unexpected(
      site,
      'storages that are views of others (PyTorch before 0.2) are not supported',
    );
  return new StorageReference(key, type.dtype, index(elements, 'storage size', site));
}

function indices(value: unknown, what: string, site: Site): number[] {
  if (!Array.isArray(value)) throw unexpected(site, `the ${what} of a tensor is no tuple`);
  if (value.length > MAX_DIMENSIONS)
    throw unexpected(
      site,
      'a tensor has too many dimensions',
      `${value.length}`,
      `at most ${MAX_DIMENSIONS}`,
    );
  return value.map((item) => index(item, what, site));
}

function index(value: unknown, what: string, site: Site): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw unexpected(site, `a ${what} is out of range`, describe(value), 'an integer from 0 on');
}

function unexpected(site: Site, what: string, got?: string, expected?: string): CheckpointError {
  return new CheckpointError({
    what,
    where: site,
    ...(got === undefined ? {} : { got }),
    expected: expected ?? 'a state dict of tensors, as torch.save(model.state_dict(), …) writes it',
  });
}
