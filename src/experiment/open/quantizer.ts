import type { EmbeddingKind } from '../../model/spikegpt/config.js';
import { PRESETS } from '../../quant/scheme/presets.js';
import {
  affineMinMax,
  paperMinMax,
  SIGN,
  UNQUANTIZED_BITS,
  type Scheme,
} from '../../quant/scheme/scheme.js';
import type { SchemeMaker } from './model-space.js';

/** How a bit width becomes a scheme, by the name a user gives. */
export const QUANTIZERS = {
  'min-max': affineMinMax,
  'paper-minmax': paperMinMax,
  best: PRESETS.best,
} as const satisfies Readonly<Record<string, (bits: number) => Scheme>>;

export type QuantizerName = keyof typeof QUANTIZERS;

/**
 * The scheme of a unit at a bit width. `best` stores a spike embedding by its sign at every width: one bit
 * a value, and nothing lost.
 */
export function schemeMaker(name: QuantizerName, embedding: EmbeddingKind): SchemeMaker {
  const bySign = name === 'best' && embedding === 'spike';
  return (bits, unit) =>
    bySign && bits !== UNQUANTIZED_BITS && unit.split('/')[0] === 'input'
      ? SIGN
      : QUANTIZERS[name](bits);
}
