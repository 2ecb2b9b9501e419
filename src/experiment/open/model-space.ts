import { blockKind, blockOf } from '../../layout/blocks.js';
import { matricesOf, type Hierarchy } from '../../layout/hierarchy.js';
import { footprintOf } from '../../quant/footprint.js';
import { resolvePlan, type Plan, type ResolvedPlan } from '../../quant/plan.js';
import { schemeMaker, type QuantizerName, type SchemeMaker } from '../../quant/quantizers.js';
import { affineMinMax, UNQUANTIZED_BITS } from '../../quant/scheme/scheme.js';
import { FULL_PRECISION, type Assignment, type SearchSpace } from '../../search/space.js';

/** A model's units as a search sees them, and the way back from an assignment to a plan. */
export interface ModelSpace extends SearchSpace {
  readonly hierarchy: Hierarchy;
  /** The plan of an assignment, by unit. */
  planOf(assignment: Assignment): Plan;
  /** The plan of an assignment, by matrix. */
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
}

/** The space of plans that give each module, or each matrix, one bit width. */
export function modelSpace(
  hierarchy: Hierarchy,
  { granularity = 'module', makeScheme = affineMinMax }: ModelSpaceOptions = {},
): ModelSpace {
  const units = matricesOf(hierarchy).map(({ path }) => {
    const module = path.split('/', 2).join('/');
    return {
      id: granularity === 'matrix' ? path : module,
      block: blockOf(path),
      module,
      inModuleTier: blockKind(path) === 'attention',
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
    resolvePlan(planOf(assignment), hierarchy);
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

/** The fineness of a plan's choices, and the meaning of a width. */
export interface SpaceSettings {
  readonly granularity: 'module' | 'matrix';
  readonly quantizer: QuantizerName;
}

/** {@link modelSpace} from settings. */
export function spaceOf(
  hierarchy: Hierarchy,
  { granularity, quantizer }: SpaceSettings,
): ModelSpace {
  return modelSpace(hierarchy, { granularity, makeScheme: schemeMaker(quantizer, hierarchy) });
}

/** The bits that each unit that is quantized is stored in, in network order. */
export function storedBitsOf(
  assignment: Assignment,
  { units, storedBits }: Pick<ModelSpace, 'units' | 'storedBits'>,
): Record<string, number> {
  const bits = units.map(({ id }) => [id, storedBits(id, assignment.bitsOf(id))] as const);
  return Object.fromEntries(bits.filter(([, width]) => width !== FULL_PRECISION));
}
