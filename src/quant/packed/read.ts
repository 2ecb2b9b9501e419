import { quoted } from '../../checkpoint/describe.js';
import { encodeFloat32 } from '../../checkpoint/dtypes.js';
import { openCheckpoint } from '../../checkpoint/open.js';
import { elementCount } from '../../checkpoint/shape.js';
import type { Checkpoint, CheckpointListing, TensorInfo } from '../../checkpoint/types.js';
import type { Hierarchy } from '../../layout/hierarchy.js';
import { CheckpointError } from '../../util/errors.js';
import { sha256 } from '../../util/hash.js';
import { parsePlan } from '../plan-json.js';
import { planId, resolvePlan, type Plan, type ResolvedPlan } from '../plan.js';
import { dequantize } from '../quantizer/quantize.js';
import { groupingOf } from '../scheme/granularity.js';
import { UNQUANTIZED_BITS, type Scheme } from '../scheme/scheme.js';
import { packedLength, unpackIntegers } from './bit-packing.js';
import {
  INTEGERS,
  isPacked,
  parsePackedHeader,
  SCALES,
  ZERO_POINTS,
  type PackedHeader,
} from './format.js';
import { requireSane, type PackedTensor } from './packed-tensor.js';

/** A packed file, read as the model that it simulates: parameters under their own names, in float32. */
export interface PackedCheckpoint extends Checkpoint {
  /** As it was stored, short. */
  readonly plan: Plan;
  readonly resolvedPlan: ResolvedPlan;
  readonly planId: string;
  /**
   * A quantized matrix as it is stored; undefined for what is stored in float32.
   *
   * @throws {CheckpointError} for data that were edited, or constants that no export writes.
   */
  readPacked(name: string): Promise<PackedTensor | undefined>;
}

/** Finds the units of the model that a file holds, from the names and shapes of its parameters. */
export type FindHierarchy = (contents: CheckpointListing) => Hierarchy | Promise<Hierarchy>;

/**
 * Opens a packed file. `readFloat32` gives, bit for bit, what `fakeQuantize` gave for the original.
 *
 * @throws {CheckpointError} for a file that is truncated, not packed, or whose header was edited; when a
 *   tensor is read, for data that were. {QuantError} for a plan that does not fit its tensors.
 */
export async function openPacked(path: string, find: FindHierarchy): Promise<PackedCheckpoint> {
  const file = await openCheckpoint(path);
  try {
    return await readPacked(file, find);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Reads an open checkpoint as a packed one; closing that closes this. @throws as {@link openPacked}. */
export async function readPacked(file: Checkpoint, find: FindHierarchy): Promise<PackedCheckpoint> {
  const { path, format } = file;
  if (!isPacked(file.metadata))
    throw new CheckpointError({
      what: 'not a packed model',
      where: path,
      got: `${format} with plain weights`,
      expected: 'a file written by an export',
    });
  const header = parsePackedHeader(file.metadata, [...file.tensors.values()], path);
  const listing = { path, format, tensors: parameters(file, header), metadata: header.model };
  const hierarchy = await find(listing);
  const plan = parsePlan(header.plan, `${path}: plan`, hierarchy);
  const resolvedPlan = resolvePlan(plan, hierarchy);
  const id = planId(resolvedPlan);
  if (id !== header.planId)
    throw new CheckpointError({
      what: 'the plan is not the one that was exported',
      where: `${path}: plan`,
      got: id,
      expected: header.planId,
    });
  const readFloat32 = (name: string): Promise<Float32Array> =>
    readValues(file, header, name, resolvedPlan.get(name));
  return {
    ...listing,
    plan,
    resolvedPlan,
    planId: id,
    readFloat32,
    readPacked: async (name) => {
      const tensor = await readTensor(file, header, name, resolvedPlan.get(name));
      if (tensor !== undefined) requireSane(tensor, path, name);
      return tensor;
    },
    readBytes: async (name) => encodeFloat32(await readFloat32(name), 'float32'),
    sha256: () => file.sha256(),
    ...(file.content && { content: () => file.content!() }),
    close: () => file.close(),
  };
}

/** The values of a parameter. A matrix that the plan leaves alone, and a vector, are stored as they are. */
async function readValues(
  file: Checkpoint,
  header: PackedHeader,
  name: string,
  scheme: Scheme | undefined,
): Promise<Float32Array> {
  const stored = await readTensor(file, header, name, scheme);
  if (stored === undefined) {
    const bytes = await readStored(file, header, name);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }
  const { packed, shape } = stored;
  const where = `${file.path}: tensor ${quoted(name)}`;
  const integers = unpackIntegers(packed, stored.scheme.bits, elementCount(shape), where);
  return dequantize({ ...stored, integers });
}

/** A quantized matrix as it is stored. */
async function readTensor(
  file: Checkpoint,
  header: PackedHeader,
  name: string,
  scheme: Scheme | undefined,
): Promise<PackedTensor | undefined> {
  const shape = header.shapes.get(name);
  if (scheme === undefined || scheme.bits === UNQUANTIZED_BITS || shape === undefined)
    return undefined;
  const { bits, method, granularity } = scheme;
  const length = packedLength(elementCount(shape), bits);
  const packed = await readStored(file, header, name + INTEGERS, length);
  const groupBytes = 4 * groupingOf(shape, granularity).count;
  const group = async (suffix: string, isStored: boolean): Promise<Uint8Array> =>
    isStored ? readStored(file, header, name + suffix, groupBytes) : new Uint8Array(0);
  const scales = await group(SCALES, method !== 'sign');
  const zeroPoints = await group(ZERO_POINTS, method === 'affine');
  return {
    ...{ shape, scheme, packed },
    scales: new Float32Array(scales.buffer, scales.byteOffset, scales.length / 4),
    zeroPoints: new Int32Array(zeroPoints.buffer, zeroPoints.byteOffset, zeroPoints.length / 4),
  };
}

/** The bytes of a stored tensor, if they are still those that were exported. */
async function readStored(
  file: Checkpoint,
  header: PackedHeader,
  name: string,
  length?: number,
): Promise<Uint8Array> {
  const bytes = await file.readBytes(name);
  const where = `${file.path}: tensor ${quoted(name)}`;
  if (length !== undefined && bytes.length !== length)
    throw new CheckpointError({
      what: 'wrong size for the plan',
      where,
      got: `${bytes.length} bytes`,
      expected: `${length} bytes`,
    });
  const expected = header.sha256.get(name);
  const found = sha256(bytes);
  if (found !== expected)
    throw new CheckpointError({
      what: 'the data were edited or damaged',
      where,
      got: `SHA-256 ${found}`,
      expected: expected ?? 'a checksum in the header',
    });
  return bytes;
}

/** The parameters that stored tensors stand for, in the order of the file. */
function parameters(file: Checkpoint, { shapes }: PackedHeader): Map<string, TensorInfo> {
  const found = new Map<string, TensorInfo>();
  const suffixes = [SCALES, ZERO_POINTS, INTEGERS];
  for (const info of file.tensors.values()) {
    const suffix = suffixes.find((end) => info.name.endsWith(end));
    const name = suffix === undefined ? info.name : info.name.slice(0, -suffix.length);
    const shape = suffix === undefined ? info.shape : shapes.get(name);
    if (suffix === undefined && info.dtype !== 'float32')
      throw new CheckpointError({
        what: 'unexpected element type in a packed file',
        where: `${file.path}: tensor ${quoted(name)}`,
        got: info.dtype,
        expected: 'float32',
      });
    if (shape === undefined)
      throw new CheckpointError({
        what: 'a packed tensor has no shape',
        where: `${file.path}: tensor ${quoted(info.name)}`,
        expected: `${quoted(name)} among the shapes in the metadata`,
      });
    found.set(name, { name, dtype: 'float32', shape });
  }
  return found;
}

/** True for a packed checkpoint, read as {@link openPacked} does. */
export function isPackedCheckpoint(checkpoint: Checkpoint): checkpoint is PackedCheckpoint {
  return 'resolvedPlan' in checkpoint;
}

/**
 * Refuses to quantize what is quantized: the unquantized model, which it would have to be compared with,
 * is not there any more.
 *
 * @throws {CheckpointError} for a packed model.
 */
export function requireUnpacked(checkpoint: Checkpoint): void {
  if (!isPackedCheckpoint(checkpoint)) return;
  throw new CheckpointError({
    what: 'the model is quantized already',
    where: checkpoint.path,
    got: `packed under plan ${checkpoint.planId}`,
    expected: 'the checkpoint it was exported from',
  });
}
