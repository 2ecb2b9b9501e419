import type { MatrixProduct, ScalarOperations } from '../layout/operations.js';
import { schemeOf, type ResolvedPlan } from '../quant/plan.js';
import { UNQUANTIZED_BITS } from '../quant/scheme/scheme.js';
import { EnergyError } from '../util/errors.js';
import * as technology from './technology.js';

/**
 * The ways to account for a multiply–accumulate of a matrix product.
 *
 * - `as built`: as the model computes it, with simulated weight-only quantization or without: a 32-bit float
 *   MAC, since LIF neurons come after the linear layers and their inputs are no spikes. The bits of the
 *   weights do not enter.
 * - `idealized`: as papers on spiking networks count. Where a spiking layer feeds a product (through the
 *   residual stream, norm and token shift, which this accounting passes over) only an accumulate, for the
 *   share of inputs that spike. No such machine computes this model.
 * - `integer`: the weights and the inputs of each product as integers of the plan's bits. An assumption
 *   twice over: inputs are not quantized here, and what that would cost in quality is not measured.
 */
export const ACCOUNTINGS = ['as built', 'idealized', 'integer'] as const;
/** One of {@link ACCOUNTINGS}. */
export type Accounting = (typeof ACCOUNTINGS)[number];

/** Path of a spiking layer → share of its values that are spikes, [0, 1]. */
export type FiringRates = ReadonlyMap<string, number>;

/**
 * Energy of one matrix product, in picojoules a token.
 *
 * @param firingRates asked for by `idealized` alone.
 * @throws {EnergyError} when `idealized` lacks the rate of a layer, or a rate is not in [0, 1].
 * @throws {QuantError} when `integer` finds no scheme for the matrix.
 */
export function productPicojoules(
  { matrix, macs, spikesOf }: MatrixProduct,
  accounting: Accounting,
  plan: ResolvedPlan,
  firingRates: FiringRates = new Map(),
): number {
  switch (accounting) {
    case 'as built':
      return macs * technology.FLOAT_MAC_PJ;
    case 'idealized':
      return spikesOf === undefined
        ? macs * technology.FLOAT_MAC_PJ
        : macs * rateOf(spikesOf, firingRates) * technology.FLOAT_ACCUMULATE_PJ;
    case 'integer': {
      const { bits } = schemeOf(plan, matrix.name);
      if (bits === UNQUANTIZED_BITS) return macs * technology.FLOAT_MAC_PJ;
      return macs * technology.integerMacPicojoules(bits);
    }
  }
}

function rateOf(layer: string, rates: FiringRates): number {
  const rate = rates.get(layer);
  if (rate !== undefined && rate >= 0 && rate <= 1) return rate;
  throw new EnergyError({
    what: rate === undefined ? 'the firing rate is missing' : 'not a firing rate',
    where: `idealized accounting, layer ${layer}`,
    got: rate === undefined ? `rates of ${[...rates.keys()].join(', ') || 'none'}` : String(rate),
    expected: 'a share of ones from 0 to 1 for each spiking layer',
  });
}

/** Energy of operations on single values, in picojoules: 32-bit floats in every accounting. */
export function scalarPicojoules(operations: ScalarOperations): number {
  return (
    operations.additions * technology.FLOAT_ADD_PJ +
    operations.multiplications * technology.FLOAT_MULTIPLY_PJ +
    operations.divisions * technology.FLOAT_DIVIDE_PJ +
    operations.functions * technology.FLOAT_FUNCTION_PJ +
    operations.comparisons * technology.COMPARE_PJ
  );
}
