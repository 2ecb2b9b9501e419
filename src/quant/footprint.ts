import { matricesOf, vectorsOf, type Hierarchy } from '../layout/hierarchy.js';
import { packedLength } from './packed/bit-packing.js';
import { schemeOf, type ResolvedPlan } from './plan.js';
import { groupingOf } from './scheme/granularity.js';
import { UNQUANTIZED_BITS, type Scheme } from './scheme/scheme.js';

/** Bytes by what they are for; they add up to the total. */
export interface FootprintParts {
  /** Packed integers: values · bits / 8, eighths of a byte included. */
  readonly integers: number;
  /** The rest of the last byte of each packed tensor, in eighths of a byte. */
  readonly padding: number;
  /** Float32 scales, 4 bytes each. */
  readonly scales: number;
  /** Int32 zero points, 4 bytes each; affine only. */
  readonly zeroPoints: number;
  /** All that stays in float32: vectors, and matrices left alone. */
  readonly fp32: number;
}

/** The memory that a model's parameters take, in bytes. */
export interface Footprint {
  readonly total: number;
  /** Block → bytes, in network order. */
  readonly byBlock: Readonly<Record<string, number>>;
  readonly parts: FootprintParts;
}

const NOTHING: FootprintParts = { integers: 0, padding: 0, scales: 0, zeroPoints: 0, fp32: 0 };

/** Bytes of one tensor under a scheme. */
export function tensorFootprint(shape: readonly number[], scheme: Scheme): FootprintParts {
  const { bits, method, granularity } = scheme;
  const { rows, rowLength, count } = groupingOf(shape, granularity);
  const elements = rows * rowLength;
  if (bits === UNQUANTIZED_BITS) return { ...NOTHING, fp32: 4 * elements };
  const integers = (elements * bits) / 8;
  return {
    integers,
    padding: packedLength(elements, bits) - integers,
    scales: method === 'sign' ? 0 : 4 * count,
    zeroPoints: method === 'affine' ? 4 * count : 0,
    fp32: 0,
  };
}

/**
 * The footprint of a plan: every matrix under its scheme, every vector in float32. What the
 * model does not use does not count. Equals the size of the exported file less its header.
 *
 * @throws {QuantError} when the plan was resolved for another hierarchy.
 */
export function footprintOf(hierarchy: Hierarchy, plan: ResolvedPlan): Footprint {
  const byBlock: Record<string, number> = {};
  const all: FootprintParts[] = [];
  for (const block of hierarchy.blocks) {
    const own = { ...hierarchy, blocks: [block] };
    const parts = [
      ...matricesOf(own).map(({ name, shape }) => tensorFootprint(shape, schemeOf(plan, name))),
      ...vectorsOf(own).map(({ parameters }) => ({ ...NOTHING, fp32: 4 * parameters })),
    ];
    byBlock[block.path] = totalOf(sumOf(parts));
    all.push(...parts);
  }
  const parts = sumOf(all);
  return { total: totalOf(parts), byBlock, parts };
}

function sumOf(parts: readonly FootprintParts[]): FootprintParts {
  return parts.reduce(
    (sum, part) => ({
      integers: sum.integers + part.integers,
      padding: sum.padding + part.padding,
      scales: sum.scales + part.scales,
      zeroPoints: sum.zeroPoints + part.zeroPoints,
      fp32: sum.fp32 + part.fp32,
    }),
    NOTHING,
  );
}

function totalOf({ integers, padding, scales, zeroPoints, fp32 }: FootprintParts): number {
  return integers + padding + scales + zeroPoints + fp32;
}
