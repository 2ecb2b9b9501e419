import { isSignUnit, type Hierarchy } from '../layout/hierarchy.js';
import { uniformPlan, withUnit, type Plan } from './plan.js';
import { PRESETS } from './scheme/presets.js';
import { affineMinMax, paperMinMax, SIGN, UNQUANTIZED_BITS, type Scheme } from './scheme/scheme.js';

/** The ways from a bit width to a scheme, by the name a user gives. */
export const QUANTIZERS = {
  'min-max': affineMinMax,
  'paper-minmax': paperMinMax,
  best: PRESETS.best,
} as const satisfies Readonly<Record<string, (bits: number) => Scheme>>;

/** One of {@link QUANTIZERS}. */
export type QuantizerName = keyof typeof QUANTIZERS;

/** The meaning of a bit width for a unit. */
export type SchemeMaker = (bits: number, unit: string) => Scheme;

/**
 * The scheme of a unit at a bit width. `best` stores by its sign, at every width, what is read by its sign
 * alone: one bit a value, and nothing lost.
 */
export function schemeMaker(name: QuantizerName, hierarchy: Hierarchy): SchemeMaker {
  return (bits, unit) =>
    name === 'best' && bits !== UNQUANTIZED_BITS && isSignUnit(hierarchy, unit)
      ? SIGN
      : QUANTIZERS[name](bits);
}

/** The plan of one width for everything; see {@link schemeMaker} for what is stored by its sign. */
export function quantizerPlan(name: QuantizerName, bits: number, hierarchy: Hierarchy): Plan {
  const make = schemeMaker(name, hierarchy);
  const parts = hierarchy.blocks.flatMap(({ path, modules }) =>
    isSignUnit(hierarchy, path)
      ? [path]
      : modules.flatMap(({ matrices }) => matrices.map((matrix) => matrix.path)),
  );
  return parts
    .filter((unit) => make(bits, unit) === SIGN)
    .reduce((plan, unit) => withUnit(plan, unit, SIGN), uniformPlan(bits, QUANTIZERS[name]));
}
