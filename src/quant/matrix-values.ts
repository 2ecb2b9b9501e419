import type { Checkpoint } from '../checkpoint/types.js';
import type { RunOptions } from '../util/progress.js';
import type { ResolvedPlan } from './plan.js';
import { quantizationError } from './quantizer/error.js';
import {
  dequantize,
  fakeQuantize,
  quantize,
  type QuantizationResult,
  type QuantizedTensor,
} from './quantizer/quantize.js';
import { calibratedBy, type Scheme } from './scheme/scheme.js';

/** The integers that a calibration sample decides on, for one checkpoint. */
export interface CalibratedCodes {
  /** Stands for the checkpoint, the sample and all else that the integers depend on. */
  readonly id: string;
  /** The integers of a matrix under a calibrated scheme. @throws {CheckpointError} {QuantError} */
  of(name: string, shape: readonly number[], scheme: Scheme): Promise<QuantizedTensor>;
  /** Sees to it that the integers of a plan are there, also for other threads. */
  prepare(plan: ResolvedPlan, options?: RunOptions): Promise<void>;
}

/** Where a plan's values come from: a checkpoint, and calibrated integers where it was opened with a sample. */
export type WeightSource = Pick<Checkpoint, 'tensors' | 'readFloat32'> & {
  readonly calibrated?: CalibratedCodes | undefined;
};

/** A checkpoint with the calibrated integers that plans of it may ask for. */
export function withCodes(
  checkpoint: Checkpoint,
  calibrated: CalibratedCodes | undefined,
): Checkpoint & WeightSource {
  const { path, format, tensors, metadata } = checkpoint;
  return {
    ...{ path, format, tensors, metadata, calibrated },
    readFloat32: (name) => checkpoint.readFloat32(name),
    readBytes: (name) => checkpoint.readBytes(name),
    sha256: () => checkpoint.sha256(),
    ...(checkpoint.content && { content: () => checkpoint.content!() }),
    close: () => checkpoint.close(),
  };
}

/** True where a plan has a scheme whose integers a calibration sample decides on. */
export function isCalibrated(plan: ResolvedPlan): boolean {
  return [...plan.values()].some((scheme) => calibratedBy(scheme) !== undefined);
}

/**
 * A matrix of a checkpoint under a scheme, as it is stored.
 *
 * @throws as {@link quantize}; {QuantError} for a calibrated scheme without a sample.
 */
export async function quantizedMatrix(
  source: WeightSource,
  name: string,
  scheme: Scheme,
): Promise<QuantizationResult> {
  const values = await source.readFloat32(name);
  const { shape } = source.tensors.get(name)!;
  if (source.calibrated === undefined || calibratedBy(scheme) === undefined)
    return quantize(values, shape, scheme, name);
  const stored = await source.calibrated.of(name, shape, scheme);
  return { ...stored, error: quantizationError(values, dequantize(stored)) };
}

/** The values that {@link quantizedMatrix} stands for, bit for bit. Throws as it does. */
export async function simulatedMatrix(
  source: WeightSource,
  name: string,
  scheme: Scheme,
  values?: Float32Array,
): Promise<Float32Array> {
  const { shape } = source.tensors.get(name)!;
  if (source.calibrated === undefined || calibratedBy(scheme) === undefined)
    return fakeQuantize(values ?? (await source.readFloat32(name)), shape, scheme, name);
  return dequantize(await source.calibrated.of(name, shape, scheme));
}
