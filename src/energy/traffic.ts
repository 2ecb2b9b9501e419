import { matricesOf, vectorsOf, type Hierarchy, type Matrix } from '../layout/hierarchy.js';
import { tensorFootprint } from '../quant/footprint.js';
import { schemeOf, type ResolvedPlan } from '../quant/plan.js';
import { UNQUANTIZED, type Scheme } from '../quant/scheme/scheme.js';
import { EnergyError } from '../util/errors.js';

/** Options of {@link weightTraffic}. */
export interface TrafficOptions {
  /** Tokens of a sentence, on average: a classifier's weights are read once a sentence. 1 by default. */
  readonly sentenceTokens?: number | undefined;
  /**
   * Tokens that share one reading of the weights, 1 by default: a batch, or a text that is at hand as a
   * whole, goes through a matrix together. Text that is generated needs all weights for every token.
   */
  readonly tokensPerRead?: number | undefined;
}

/** Bits of parameters that are read for one token. */
export interface WeightTraffic {
  readonly bits: number;
  /** Block → bits, in network order; vectors, scales and zero points with them. */
  readonly byBlock: Readonly<Record<string, number>>;
}

/**
 * The parameters read a token under a plan, at their bit widths with scales and zero points: every matrix
 * and vector once, of an embedding one row. Activations and the state are not counted: a few thousand
 * values a token where the weights are millions.
 *
 * @throws {EnergyError} for tokens below 1. {QuantError} when the plan was resolved for another model.
 */
export function weightTraffic(
  { hierarchy }: { readonly hierarchy: Hierarchy },
  plan: ResolvedPlan,
  { sentenceTokens = 1, tokensPerRead = 1 }: TrafficOptions = {},
): WeightTraffic {
  if (![sentenceTokens, tokensPerRead].every((tokens) => tokens >= 1 && Number.isFinite(tokens)))
    throw new EnergyError({
      what: 'tokens make no sense',
      where: 'weight traffic',
      got: `${sentenceTokens} a sentence, ${tokensPerRead} a reading`,
      expected: 'at least 1 of each',
    });
  const matrixBits = ({ name, shape, use }: Matrix): number => {
    const scheme = schemeOf(plan, name);
    // Each token has a row of its own, so that nothing is shared.
    if (use === 'lookup') return bitsOf([1, shape[1]], scheme);
    const tokens = use === 'sequence' ? Math.max(sentenceTokens, tokensPerRead) : tokensPerRead;
    return bitsOf(shape, scheme) / tokens;
  };
  const byBlock: Record<string, number> = {};
  for (const block of hierarchy.blocks) {
    const own = { ...hierarchy, blocks: [block] };
    let bits = 0;
    for (const matrix of matricesOf(own)) bits += matrixBits(matrix);
    for (const { shape } of vectorsOf(own)) bits += bitsOf(shape, UNQUANTIZED) / tokensPerRead;
    byBlock[block.path] = bits;
  }
  return { bits: Object.values(byBlock).reduce((total, bits) => total + bits, 0), byBlock };
}

function bitsOf(shape: readonly number[], scheme: Scheme): number {
  const { integers, scales, zeroPoints, fp32 } = tensorFootprint(shape, scheme);
  return 8 * (integers + scales + zeroPoints + fp32);
}
