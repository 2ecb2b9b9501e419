import type { ModelStructure } from '../model/structure.js';
import type { ResolvedPlan } from '../quant/plan.js';
import {
  productPicojoules,
  scalarPicojoules,
  type Accounting,
  type FiringRates,
} from './accounting.js';
import { countOperations, type OperationOptions } from './operations.js';
import { WEIGHT_MEMORIES, type BitEnergy, type WeightMemory } from './technology.js';
import { weightTraffic, type TrafficOptions } from './traffic.js';

/** Options of {@link modelEnergy}. */
export interface EnergyOptions extends OperationOptions, TrafficOptions {
  readonly accounting: Accounting;
  /** The memory that weights are read from; DRAM by default. */
  readonly memory?: WeightMemory;
  /** Asked for by the idealized accounting. */
  readonly firingRates?: FiringRates;
}

/** Energy a token, in microjoules, worked out from counts and published constants; nothing is measured. */
export interface ModelledEnergy {
  readonly origin: 'modelled';
  readonly accounting: Accounting;
  /** Matrix products. */
  readonly products: number;
  /** Norms, WKV, neurons: all that is no matrix product. */
  readonly elementwise: number;
  /** Reading the weights: the ends and the middle of what is published for the memory. */
  readonly weights: BitEnergy;
  /** All together, for the same three. */
  readonly total: BitEnergy;
}

const PICOJOULES_PER_MICROJOULE = 1e6;

/**
 * The modelled energy of one token under a plan.
 *
 * Weight-only simulated quantization computes in float32: as built, the energy of computing does not change
 * with the bits, that of reading the weights does.
 *
 * @throws {EnergyError} {QuantError} as `countOperations`, `weightTraffic` and `productPicojoules`.
 */
export function modelEnergy(
  model: ModelStructure,
  plan: ResolvedPlan,
  { accounting, memory = 'DRAM', firingRates, ...options }: EnergyOptions,
): ModelledEnergy {
  const operations = countOperations(model, options);
  const microjoules = (parts: readonly number[]): number =>
    parts.reduce((total, picojoules) => total + picojoules, 0) / PICOJOULES_PER_MICROJOULE;
  const products = microjoules(
    operations.products.map((each) => productPicojoules(each, accounting, plan, firingRates)),
  );
  const elementwise = microjoules(operations.elementwise.map(([, each]) => scalarPicojoules(each)));
  const { bits } = weightTraffic(model, plan, options);
  const scale = (perBit: BitEnergy, start: number): BitEnergy => ({
    low: start + (bits * perBit.low) / PICOJOULES_PER_MICROJOULE,
    middle: start + (bits * perBit.middle) / PICOJOULES_PER_MICROJOULE,
    high: start + (bits * perBit.high) / PICOJOULES_PER_MICROJOULE,
  });
  const perBit = WEIGHT_MEMORIES[memory];
  return {
    origin: 'modelled',
    accounting,
    products,
    elementwise,
    weights: scale(perBit, 0),
    total: scale(perBit, products + elementwise),
  };
}
