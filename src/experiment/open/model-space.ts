import { footprintOf } from '../../quant/footprint.js';
import { matricesOf, type Hierarchy } from '../../quant/hierarchy.js';
import { resolvePlan, type Plan, type ResolvedPlan } from '../../quant/plan.js';
import { affineMinMax, UNQUANTIZED_BITS, type Scheme } from '../../quant/scheme/scheme.js';
import type { EmbeddingKind } from '../../model/spikegpt/config.js';
import {
  FULL_PRECISION,
  type Assignment,
  type SearchSpace,
  type UnitInfo,
} from '../../search/space.js';

/** What a bit width means for a unit. */
export type SchemeMaker = (bits: number, unit: string) => Scheme;

/** A model's units as a search sees them, and the way back from an assignment to a plan. */
export interface ModelSpace extends SearchSpace {
  readonly hierarchy: Hierarchy;
  planOf(assignment: Assignment): Plan;
  resolve(assignment: Assignment): ResolvedPlan;
  /**
   * Bits that a value of a unit, or of a whole block or module, is stored in at a width: another number
   * where a scheme fixes its own.
   */
  readonly storedBits: (unit: string, bits: number) => number;
}

export interface ModelSpaceOptions {
  readonly granularity?: 'module' | 'matrix';
  /** Default: per tensor, affine, min–max widened to hold 0. */
  readonly makeScheme?: SchemeMaker;
  readonly embedding: EmbeddingKind;
}

/** The space of plans that give each module, or each matrix, one bit width. */
export function modelSpace(
  hierarchy: Hierarchy,
  { granularity = 'module', makeScheme = affineMinMax, embedding }: ModelSpaceOptions,
): ModelSpace {
  const units = matricesOf(hierarchy).map(({ path }): UnitInfo => {
    const [block, module] = path.split('/');
    const modulePath = `${block}/${module}`;
    return {
      id: granularity === 'matrix' ? path : modulePath,
      block,
      module: modulePath,
      inModuleTier: block.startsWith('attention.'),
    };
  });
  const distinct = [...new Map(units.map((unit) => [unit.id, unit])).values()];
  const planOf = (assignment: Assignment): Plan =>
    new Map(
      distinct
        .map(({ id }) => [id, assignment.bitsOf(id)] as const)
        .filter(([, bits]) => bits !== FULL_PRECISION && bits !== UNQUANTIZED_BITS)
        .map(([id, bits]) => [id, makeScheme(bits, id)]),
    );
  const resolve = (assignment: Assignment): ResolvedPlan =>
    resolvePlan(planOf(assignment), hierarchy, { embedding });
  // The knapsack asks for thousands of sizes; a plan is resolved once.
  const sizes = new Map<string, number>();
  return {
    hierarchy,
    units: distinct,
    planOf,
    resolve,
    storedBits: (unit, bits) =>
      bits === FULL_PRECISION || bits === UNQUANTIZED_BITS ? bits : makeScheme(bits, unit).bits,
    bytes: (assignment) => {
      const known = sizes.get(assignment.key);
      if (known !== undefined) return known;
      const bytes = footprintOf(hierarchy, resolve(assignment)).total;
      sizes.set(assignment.key, bytes);
      return bytes;
    },
  };
}
