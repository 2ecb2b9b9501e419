import { QuantError } from '../../util/errors.js';
import { PER_CHANNEL, PER_TENSOR, perGroup, type Granularity } from './granularity.js';

/** A method of turning a tensor's values into integers. */
export type Method =
  /** 2^bits steps between the ends of the range; the zero point says which integer stands for 0. */
  | 'affine'
  /** Integers −(2^(bits−1)−1) … 2^(bits−1)−1, 0 stands for 0, no zero point. At least 2 bits. */
  | 'symmetric'
  /** One bit a value: at least 0, or below. For an embedding of which only the sign is used. */
  | 'sign';

/** Smallest and largest value of a group; `widenToZero` moves an end to 0 where all are of one sign. */
export interface MinMaxRange {
  readonly kind: 'min-max';
  readonly widenToZero: boolean;
}

/**
 * From the (100 − p)-th to the p-th percentile of a group (symmetric: the p-th of the magnitudes),
 * widened to hold 0; values beyond are clipped. 100 is min–max.
 */
export interface PercentileRange {
  readonly kind: 'percentile';
  /** In (50, 100]. */
  readonly percentile: number;
}

/** The range, holding 0, with the smallest mean squared error that a search finds. */
export interface MseRange {
  readonly kind: 'mse';
}

/**
 * Integers that a calibration sample decided on, with their ranges: `gptq` makes the error of each product
 * small, `spike-preserving` that of the membrane potentials where a matrix feeds neurons. They are no
 * function of the values alone, and are looked up where they were kept.
 */
export interface CalibratedRange {
  readonly kind: Calibrated;
}

/** The ways to decide on integers with a calibration sample. */
export const CALIBRATED = ['gptq', 'spike-preserving'] as const;
export type Calibrated = (typeof CALIBRATED)[number];

/** The ends between which the levels of a group lie. */
export type Range = MinMaxRange | PercentileRange | MseRange | CalibratedRange;

/**
 * The storage of one tensor: frozen, validated, and in one canonical form (a member that the method does not
 * look at has its default), so that equal schemes have equal JSON.
 */
export interface Scheme {
  /** Bits a value, 1–16; 32 leaves the tensor alone. */
  readonly bits: number;
  readonly method: Method;
  readonly granularity: Granularity;
  readonly range: Range;
}

/** The smallest bit width of integers. */
export const MIN_BITS = 1;
/** The largest bit width of integers. */
export const MAX_BITS = 16;
/** The bit width that means "not quantized": float32 as it is. */
export const UNQUANTIZED_BITS = 32;

const WIDENED: MinMaxRange = Object.freeze({ kind: 'min-max', widenToZero: true });
const UNWIDENED: MinMaxRange = Object.freeze({ kind: 'min-max', widenToZero: false });
const MSE: MseRange = Object.freeze({ kind: 'mse' });
const DEFAULTS = { granularity: PER_TENSOR, range: WIDENED } as const;

/**
 * A scheme from its parts; what is not given is affine, per tensor, min–max widened to hold 0.
 *
 * @param where the unit or the option, for errors.
 * @throws {QuantError} for a bit width out of range, symmetric at 1 bit, sign at any other width, a
 *   percentile or group size that makes no sense.
 */
export function createScheme(
  parts: Pick<Scheme, 'bits'> & Partial<Scheme>,
  where = 'scheme',
): Scheme {
  const { bits, method = 'affine', granularity = PER_TENSOR, range = WIDENED } = parts;
  requireBits(bits, method, where);
  if (bits === UNQUANTIZED_BITS) return UNQUANTIZED;
  if (method === 'sign') return SIGN;
  return Object.freeze({
    bits,
    method,
    granularity: canonicalGranularity(granularity),
    range: canonicalRange(range, method, where),
  });
}

function requireBits(bits: number, method: Method, where: string): void {
  const quantized = Number.isInteger(bits) && bits >= MIN_BITS && bits <= MAX_BITS;
  if (!quantized && bits !== UNQUANTIZED_BITS)
    throw new QuantError({
      what: 'bit width out of range',
      where,
      got: String(bits),
      expected: `a whole number from ${MIN_BITS} to ${MAX_BITS}, or ${UNQUANTIZED_BITS}`,
    });
  if (method === 'symmetric' && bits === 1)
    throw new QuantError({
      what: 'symmetric has no 1-bit form, the only level would be 0',
      where,
      got: '1 bit',
      expected: 'at least 2 bits, or method sign or affine',
    });
  if (method === 'sign' && bits !== 1)
    throw new QuantError({
      what: 'sign stores one bit a value',
      where,
      got: `${bits} bits`,
      expected: '1 bit',
    });
}

function canonicalGranularity(granularity: Granularity): Granularity {
  if (granularity.kind === 'per-group') return perGroup(granularity.size);
  return granularity.kind === 'per-channel' ? PER_CHANNEL : PER_TENSOR;
}

function canonicalRange(range: Range, method: Method, where: string): Range {
  switch (range.kind) {
    case 'min-max':
      return range.widenToZero || method === 'symmetric' ? WIDENED : UNWIDENED;
    case 'percentile':
      if (!(range.percentile > 50 && range.percentile <= 100))
        throw new QuantError({
          what: 'percentile out of range',
          where,
          got: String(range.percentile),
          expected: 'above 50 and at most 100',
        });
      return Object.freeze({ kind: 'percentile', percentile: range.percentile });
    case 'mse':
      return MSE;
    case 'gptq':
    case 'spike-preserving':
      return Object.freeze({ kind: range.kind });
  }
}

/** The way that a calibration sample decided on a scheme's integers; undefined where none did. */
export function calibratedBy({ bits, method, range }: Scheme): Calibrated | undefined {
  if (bits === UNQUANTIZED_BITS || method === 'sign') return undefined;
  return CALIBRATED.find((kind) => kind === range.kind);
}

/** Left alone: float32, bit for bit. */
export const UNQUANTIZED: Scheme = Object.freeze({
  bits: UNQUANTIZED_BITS,
  method: 'affine',
  ...DEFAULTS,
});

/** One bit a value, no scale: exact for a spike embedding, H(x) = 1 where x ≥ 0. */
export const SIGN: Scheme = Object.freeze({ bits: 1, method: 'sign', ...DEFAULTS });

/**
 * The quantizer of the paper's prototype: per tensor, affine between the smallest and the largest value,
 * not widened. A tensor of one sign whose range lies far from 0 saturates, because the zero point is
 * clamped.
 */
export function paperMinMax(bits: number): Scheme {
  return createScheme({ bits, range: UNWIDENED });
}

/** The default: per tensor, affine, min–max widened to hold 0, so that 0 is always a level. */
export function affineMinMax(bits: number): Scheme {
  return createScheme({ bits });
}
