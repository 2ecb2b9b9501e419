import { CheckpointError } from '../util/errors.js';
import type { RunOptions } from '../util/progress.js';
import { quoted } from './describe.js';
import { decodeFloat32, encodeFloat32, isFloating, ITEM_BYTES, type FloatDtype } from './dtypes.js';
import { openCheckpoint } from './open.js';
import { writeSafetensors, type TensorToWrite } from './safetensors/write.js';
import { elementCount } from './shape.js';
import { keepNegatives } from './signs.js';
import type { Checkpoint } from './types.js';

/** Options of {@link convertCheckpoint}. */
export interface ConvertOptions extends RunOptions {
  /** Type of the converted weights. Integer tensors keep theirs. */
  readonly dtype: FloatDtype;
  /** Added to the input's metadata; wins where both have a key. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Names of tensors to leave out. */
  readonly exclude?: readonly string[];
  /** Names of tensors whose negative values must stay negative: a spike embedding. */
  readonly keepNegative?: readonly string[];
}

/** The figures of a conversion. */
export interface Conversion {
  readonly tensors: number;
  readonly parameters: number;
  /** Size of the file written. */
  readonly bytes: number;
  /** Largest |converted - original| over all finite weights, and the tensor it is in. */
  readonly largestError: number;
  readonly largestErrorIn: string | undefined;
  /** Values of `keepNegative` tensors that were kept from becoming −0. */
  readonly keptNegative: number;
}

/**
 * Converts a checkpoint of any readable format to safetensors, one tensor at a time.
 *
 * @throws {CheckpointError} when the input cannot be read, `exclude` or `keepNegative` names a tensor
 *   that is not there, or a weight is too large for the type.
 * @throws {OutputError} when the output cannot be written; nothing half-written is left.
 * @throws {AbortedError} when `signal` fires.
 */
export async function convertCheckpoint(
  input: string,
  output: string,
  { dtype, metadata, exclude = [], keepNegative = [], ...run }: ConvertOptions,
): Promise<Conversion> {
  const checkpoint = await openCheckpoint(input);
  try {
    requireNames(checkpoint, exclude);
    requireNames(checkpoint, keepNegative);
    const kept = [...checkpoint.tensors.values()].filter(({ name }) => !exclude.includes(name));
    let largestError = 0;
    let largestErrorIn: string | undefined;
    let keptNegative = 0;
    const tensors = kept.map((info): TensorToWrite => {
      const { name } = info;
      if (!isFloating(info.dtype)) return { ...info, bytes: () => checkpoint.readBytes(name) };
      const bytes = async (): Promise<Uint8Array> => {
        const values = await checkpoint.readFloat32(name);
        const narrow = encodeFloat32(values, dtype);
        if (keepNegative.includes(name)) keptNegative += keepNegatives(values, narrow, dtype);
        const error = roundingError(checkpoint.path, name, values, narrow, dtype);
        if (error > largestError) [largestError, largestErrorIn] = [error, name];
        return narrow;
      };
      return { ...info, dtype, bytes };
    });
    const all = { ...checkpoint.metadata, ...metadata };
    const bytes = await writeSafetensors(output, tensors, all, run);
    const parameters = kept.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    return { tensors: kept.length, parameters, bytes, largestError, largestErrorIn, keptNegative };
  } finally {
    await checkpoint.close();
  }
}

function requireNames({ path, tensors }: Checkpoint, names: readonly string[]): void {
  const missing = names.filter((name) => !tensors.has(name));
  if (missing.length === 0) return;
  throw new CheckpointError({
    what: 'named tensors are not there',
    where: path,
    got: missing.map(quoted).join(', '),
    expected: 'names of tensors in the checkpoint',
  });
}

/** Decoded at a time when the result is compared with its source. */
const PIECE_ELEMENTS = 1 << 18;

/** Largest |rounded - value|. @throws {CheckpointError} where a finite value became infinite. */
function roundingError(
  path: string,
  name: string,
  values: Float32Array,
  narrow: Uint8Array,
  dtype: FloatDtype,
): number {
  if (dtype === 'float32') return 0;
  let largest = 0;
  for (let start = 0; start < values.length; start += PIECE_ELEMENTS) {
    const piece = values.subarray(start, start + PIECE_ELEMENTS);
    const rounded = new Float32Array(piece.length);
    decodeFloat32(dtype, narrow.subarray(start * ITEM_BYTES[dtype]), rounded);
    for (let i = 0; i < piece.length; i++) {
      const error = Math.abs(rounded[i] - piece[i]);
      if (error === Infinity && Number.isFinite(piece[i]))
        throw new CheckpointError({
          what: `a weight is too large for ${dtype}`,
          where: `${path}: tensor ${quoted(name)}, element ${start + i}`,
          got: `${piece[i]}`,
          expected: dtype === 'float16' ? 'at most 65504 in magnitude' : 'a smaller magnitude',
        });
      // NaN compares false: what was not finite before is no rounding error.
      if (error > largest) largest = error;
    }
  }
  return largest;
}
