import { isSignUnit, type Hierarchy } from '../layout/hierarchy.js';
import { uniformPlan, withUnit, type Plan } from './plan.js';
import { PER_CHANNEL } from './scheme/granularity.js';
import { PRESETS } from './scheme/presets.js';
import {
  affineMinMax,
  CALIBRATED,
  createScheme,
  paperMinMax,
  SIGN,
  UNQUANTIZED_BITS,
  type Calibrated,
  type Scheme,
} from './scheme/scheme.js';

/** The ways from a bit width to a scheme, by the name a user gives. */
export const QUANTIZERS = {
  'min-max': affineMinMax,
  'paper-minmax': paperMinMax,
  best: PRESETS.best,
  gptq: (bits) => calibratedScheme('gptq', bits),
  'spike-preserving': (bits) => calibratedScheme('spike-preserving', bits),
} as const satisfies Readonly<Record<string, (bits: number) => Scheme>>;

/**
 * Widths above this are rounded to nearest, as `best` does: their errors flip hardly a spike, and compensation
 * has nothing left to make up for.
 */
const MOST_CALIBRATED_BITS = 8;

/** Affine, per channel; integers by calibration up to {@link MOST_CALIBRATED_BITS}. */
function calibratedScheme(kind: Calibrated, bits: number): Scheme {
  if (bits > MOST_CALIBRATED_BITS) return PRESETS.best(bits);
  return createScheme({ bits, granularity: PER_CHANNEL, range: { kind } });
}

/** One of {@link QUANTIZERS}. */
export type QuantizerName = keyof typeof QUANTIZERS;

/** The meaning of a bit width for a unit. */
export type SchemeMaker = (bits: number, unit: string) => Scheme;

/** The quantizers that store by its sign what is read by its sign alone. */
const EXACT_SIGNS: ReadonlySet<QuantizerName> = new Set(['best', ...CALIBRATED]);

/** True for a quantizer whose integers depend on a calibration sample. */
export function needsCalibration(name: QuantizerName): boolean {
  return CALIBRATED.some((kind) => kind === name);
}

/**
 * The scheme of a unit at a bit width. `best`, `gptq` and `spike-preserving` store by its sign, at every width, what is read by its sign
 * alone: one bit a value, and nothing lost.
 */
export function schemeMaker(name: QuantizerName, hierarchy: Hierarchy): SchemeMaker {
  return (bits, unit) =>
    EXACT_SIGNS.has(name) && bits !== UNQUANTIZED_BITS && isSignUnit(hierarchy, unit)
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
