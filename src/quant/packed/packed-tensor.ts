import { quoted } from '../../checkpoint/describe.js';
import { elementCount } from '../../checkpoint/shape.js';
import { CheckpointError } from '../../util/errors.js';
import { quantizedMatrix, type WeightSource } from '../matrix-values.js';
import type { QuantizationError } from '../quantizer/error.js';
import type { Scheme } from '../scheme/scheme.js';
import { packIntegers } from './bit-packing.js';

/** A quantized matrix as a packed file has it. */
export interface PackedTensor {
  readonly shape: readonly number[];
  readonly scheme: Scheme;
  /** Integers, lowest bit first (bit-packing.ts). */
  readonly packed: Uint8Array;
  /** [groups]; none for `sign`. */
  readonly scales: Float32Array;
  /** [groups] for `affine`, none otherwise. */
  readonly zeroPoints: Int32Array;
}

/**
 * A matrix of a checkpoint under a scheme, as a packed file has it, and how far it is from the original.
 *
 * @throws as {@link quantizedMatrix}.
 */
export async function packedMatrixOf(
  source: WeightSource,
  name: string,
  scheme: Scheme,
): Promise<PackedTensor & { readonly error: QuantizationError }> {
  const { shape, integers, scales, zeroPoints, error } = await quantizedMatrix(
    source,
    name,
    scheme,
  );
  return { shape, scheme, packed: packIntegers(integers, scheme.bits), scales, zeroPoints, error };
}

const LARGEST = 3.4028234663852886e38;

/**
 * Refuses constants that no export writes: products of them with integers would not be what the file's values are.
 *
 * @param name of the parameter, for errors.
 * @throws {CheckpointError} for a zero point that is no integer of the width, and a scale that is not finite or takes
 *   values beyond float32.
 */
export function requireSane(tensor: PackedTensor, path: string, name: string): void {
  const { scheme, scales, zeroPoints } = tensor;
  const limit = 2 ** (scheme.bits - 1);
  const used = (elementCount(tensor.shape) * scheme.bits) % 8;
  const left = used === 0 ? 0 : tensor.packed[tensor.packed.length - 1] >> used;
  const outside = zeroPoints.findIndex((zero) => zero < -limit || zero >= limit);
  const refuse = (what: string, got: string, expected: string): never => {
    throw new CheckpointError({ what, where: `${path}: tensor ${quoted(name)}`, got, expected });
  };
  if (left !== 0) refuse('bits after the last value are set', `0b${left.toString(2)}`, '0');
  if (outside >= 0)
    refuse(
      'a zero point is no integer of the bit width',
      `${zeroPoints[outside]} in group ${outside}`,
      `${-limit} to ${limit - 1} (${scheme.bits} bits)`,
    );
  // No value of a group is further from 0 than all steps of the width.
  const most = LARGEST / (2 ** scheme.bits - 1);
  const wild = scales.findIndex((scale) => !(Math.abs(scale) <= most));
  if (wild >= 0)
    refuse(
      'a scale is not finite, or takes values beyond float32',
      `${scales[wild]} in group ${wild}`,
      `at most ${most.toPrecision(3)} at ${scheme.bits} bits`,
    );
}
