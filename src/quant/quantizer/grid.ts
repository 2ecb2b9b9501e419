import { roundHalfToEven } from './rounding.js';

/**
 * The values that a group can take: scale · k for every integer k in [low, high], stored as the integer
 * k + zeroPoint. Scale and bounds fit float32; a scale of 0 means that every value is 0.
 */
export interface Grid {
  /** Float32. */
  readonly scale: number;
  /** The integer that stands for 0. */
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
}

/** Every value of a group is 0, and stored as the integer 0. */
const ALL_ZERO: Grid = Object.freeze({ scale: 0, zeroPoint: 0, low: 0, high: 0 });

/**
 * Affine grid over the range [smallest, largest] (QSLM prototype):
 *   q_min = −2^(bits−1), q_max = 2^(bits−1) − 1, scale = (largest − smallest) / (q_max − q_min),
 *   zero point = clamp(round(q_min − smallest / scale), q_min, q_max).
 * The zero point is computed with the scale in double precision, everything after with the float32 one,
 * as PyTorch does with a float32 tensor and a Python number.
 */
export function affineGrid(smallest: number, largest: number, bits: number): Grid {
  const qMin = -(2 ** (bits - 1));
  const qMax = -qMin - 1;
  const exact = (largest - smallest) / (qMax - qMin);
  const scale = Math.fround(exact);
  if (scale === 0) return ALL_ZERO;
  // Clamped before rounding, which gives the same because the bounds are integers, so that a narrow
  // range far from 0 stays within the rounder's reach.
  const zeroPoint = roundHalfToEven(Math.min(Math.max(qMin - smallest / exact, qMin), qMax));
  return { scale, zeroPoint, low: qMin - zeroPoint, high: qMax - zeroPoint };
}

/**
 * Symmetric grid for magnitudes up to `largest`: scale = largest / (2^(bits−1) − 1). The most negative
 * integer is not used, so that x and −x are stored alike (as in TensorFlow Lite's weights).
 */
export function symmetricGrid(largest: number, bits: number): Grid {
  const qMax = 2 ** (bits - 1) - 1;
  const scale = Math.fround(largest / qMax);
  return scale === 0 ? ALL_ZERO : { scale, zeroPoint: 0, low: -qMax, high: qMax };
}
