import { encodeFloat32 } from '../../checkpoint/dtypes.js';
import { writeSafetensors, type TensorToWrite } from '../../checkpoint/safetensors/write.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import { matricesOf, vectorsOf, type Hierarchy, type Matrix } from '../../layout/hierarchy.js';
import { throwIfAborted } from '../../util/errors.js';
import { sha256 } from '../../util/hash.js';
import { yieldToEvents, type RunOptions } from '../../util/progress.js';
import { footprintOf, type Footprint } from '../footprint.js';
import type { WeightSource } from '../matrix-values.js';
import { formatPlan } from '../plan-json.js';
import { compactPlan, planId, type ResolvedPlan } from '../plan.js';
import type { QuantizationError } from '../quantizer/error.js';
import { UNQUANTIZED_BITS } from '../scheme/scheme.js';
import { encodePackedHeader, INTEGERS, SCALES, ZERO_POINTS } from './format.js';
import { packedMatrixOf } from './packed-tensor.js';

/** Options of {@link exportPlan}. */
export interface ExportOptions extends RunOptions {
  /** Beside the checkpoint's own metadata: all that was said by flag or `config.json` (`embedding`). */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The file that {@link exportPlan} wrote. */
export interface ExportResult {
  readonly path: string;
  /** Size of the file: the footprint and the header. */
  readonly bytes: number;
  readonly footprint: Footprint;
  readonly planId: string;
  /** The error of each quantized matrix, by parameter name. */
  readonly errors: ReadonlyMap<string, QuantizationError>;
}

/**
 * Writes a checkpoint under a plan as a packed safetensors file (format.ts). Matrices are quantized
 * twice, once for the checksums that the header needs and once to be written, so that the memory used is
 * that of the largest tensor and of all scales. Vectors become float32.
 *
 * @param hierarchy of the checkpoint's model; what it does not use is left out.
 * @param plan resolved for this hierarchy.
 * @throws {QuantError} for NaN weights, or a plan of another checkpoint.
 * @throws {CheckpointError} {OutputError} {AbortedError} from reading and writing; nothing half-written
 *   is left.
 */
export async function exportPlan(
  checkpoint: Checkpoint & WeightSource,
  hierarchy: Hierarchy,
  plan: ResolvedPlan,
  path: string,
  options: ExportOptions = {},
): Promise<ExportResult> {
  const footprint = footprintOf(hierarchy, plan);
  const isQuantized = ({ name }: Matrix): boolean => plan.get(name)!.bits !== UNQUANTIZED_BITS;
  const matrices = matricesOf(hierarchy);
  const quantized = matrices.filter(isQuantized);
  const whole = [...vectorsOf(hierarchy), ...matrices.filter((matrix) => !isQuantized(matrix))];

  const { onProgress, signal } = options;
  const total = whole.length + quantized.length;
  let done = 0;
  const step = async (note: string): Promise<void> => {
    onProgress?.({ phase: 'quantize', done: ++done, total, unit: 'tensors', note });
    await yieldToEvents();
    throwIfAborted(signal, path);
  };
  const first: TensorToWrite[] = [];
  const last: TensorToWrite[] = [];
  const checksums = new Map<string, string>();
  const errors = new Map<string, QuantizationError>();
  for (const { name, shape } of whole) {
    const bytes = async (): Promise<Uint8Array> =>
      encodeFloat32(await checkpoint.readFloat32(name), 'float32');
    first.push({ name, dtype: 'float32', shape, bytes });
    checksums.set(name, sha256(await bytes()));
    await step(name);
  }
  for (const matrix of quantized) {
    const { integers, groups, error } = await pack(checkpoint, matrix, plan);
    first.push(...groups);
    for (const { name, bytes } of groups) checksums.set(name, sha256(await bytes()));
    last.push({
      name: matrix.name + INTEGERS,
      dtype: 'uint8',
      shape: [integers.length],
      bytes: async () => (await pack(checkpoint, matrix, plan)).integers,
    });
    checksums.set(matrix.name + INTEGERS, sha256(integers));
    errors.set(matrix.name, error);
    await step(matrix.name);
  }

  const header = {
    plan: formatPlan(compactPlan(plan, hierarchy)),
    planId: planId(plan),
    shapes: new Map(quantized.map(({ name, shape }) => [name, shape])),
    sha256: checksums,
    model: { ...checkpoint.metadata, ...options.metadata },
  };
  const tensors = [...first, ...last];
  const metadata = encodePackedHeader(header, tensors);
  const bytes = await writeSafetensors(path, tensors, metadata, options);
  return { path, bytes, footprint, planId: header.planId, errors };
}

interface Packed {
  readonly integers: Uint8Array;
  /** Scales and zero points, as far as the scheme has them. */
  readonly groups: readonly TensorToWrite[];
  readonly error: QuantizationError;
}

async function pack(
  checkpoint: WeightSource,
  { name }: Matrix,
  plan: ResolvedPlan,
): Promise<Packed> {
  const scheme = plan.get(name)!;
  const { packed, scales, zeroPoints, error } = await packedMatrixOf(checkpoint, name, scheme);
  const group = (
    suffix: string,
    dtype: 'float32' | 'int32',
    { buffer, length }: Float32Array | Int32Array,
  ): TensorToWrite[] => {
    const bytes = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(buffer));
    return length === 0 ? [] : [{ name: name + suffix, dtype, shape: [length], bytes }];
  };
  return {
    integers: packed,
    groups: [...group(SCALES, 'float32', scales), ...group(ZERO_POINTS, 'int32', zeroPoints)],
    error,
  };
}
