import { blockKind, blockOf } from '../../layout/blocks.js';
import { matricesOf, type Hierarchy } from '../../layout/hierarchy.js';
import { footprintOf } from '../../quant/footprint.js';
import { resolvePlan, type Plan, type ResolvedPlan } from '../../quant/plan.js';
import { schemeMaker, type QuantizerName, type SchemeMaker } from '../../quant/quantizers.js';
import { affineMinMax, UNQUANTIZED_BITS } from '../../quant/scheme/scheme.js';
import {
  FULL_PRECISION,
  type Assignment,
  type SearchSpace,
  type UnitInfo,
} from '../../search/space.js';

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

/**
 * The parameters that a plan's memory counts. `used`: those that the task needs. `all`: those that it leaves unused
 * too, as the paper counts the language-model head of a classifier; each is stored at the width of the last
 * unit of its module, else of its block.
 */
export const ACCOUNTINGS = ['used', 'all'] as const;
export type Accounting = (typeof ACCOUNTINGS)[number];

export interface ModelSpaceOptions {
  readonly granularity?: 'module' | 'matrix';
  /** Default: `used`. */
  readonly accounting?: Accounting | undefined;
  /** Default: per tensor, affine, min–max widened to hold 0. */
  readonly makeScheme?: SchemeMaker;
}

/** The space of plans that give each module, or each matrix, one bit width. */
export function modelSpace(
  hierarchy: Hierarchy,
  {
    granularity = 'module',
    makeScheme = affineMinMax,
    accounting = 'used',
  }: ModelSpaceOptions = {},
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
  const unused = { ...hierarchy, blocks: accounting === 'all' ? hierarchy.unused.blocks : [] };
  const unusedBytes = (assignment: Assignment): number => {
    const schemes = matricesOf(unused).map(({ name, path }) => {
      const bits = widthBeside(distinct, path, assignment);
      return [name, makeScheme(bits, path)] as const;
    });
    return footprintOf(unused, new Map(schemes)).total;
  };
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
      const bytes = footprintOf(hierarchy, resolve(assignment)).total + unusedBytes(assignment);
      sizes.set(assignment.key, bytes);
      return bytes;
    },
  };
}

/** The fineness of a plan's choices, and the meaning of a width. */
export interface SpaceSettings {
  readonly granularity: 'module' | 'matrix';
  readonly quantizer: QuantizerName;
  readonly accounting?: Accounting | undefined;
}

/** {@link modelSpace} from settings. */
export function spaceOf(
  hierarchy: Hierarchy,
  { granularity, quantizer, accounting }: SpaceSettings,
): ModelSpace {
  const makeScheme = schemeMaker(quantizer, hierarchy);
  return modelSpace(hierarchy, { granularity, makeScheme, accounting });
}

/** The width of the last unit in the module of a path, else in its block: of one unit, so that sizes add up over units. */
function widthBeside(units: readonly UnitInfo[], path: string, assignment: Assignment): number {
  const module = path.split('/', 2).join('/');
  const beside =
    units.findLast((unit) => unit.module === module) ??
    units.findLast(({ block }) => block === blockOf(path));
  return beside === undefined ? FULL_PRECISION : assignment.bitsOf(beside.id);
}

/** The bits that each unit that is quantized is stored in, in network order. */
export function storedBitsOf(
  assignment: Assignment,
  { units, storedBits }: Pick<ModelSpace, 'units' | 'storedBits'>,
): Record<string, number> {
  const bits = units.map(({ id }) => [id, storedBits(id, assignment.bitsOf(id))] as const);
  return Object.fromEntries(bits.filter(([, width]) => width !== FULL_PRECISION));
}
