import { hierarchyOf, matricesOf, type Matrix } from '../../layout/hierarchy.js';
import type { Layout } from '../../layout/layout.js';
import {
  layerNormOperations,
  NO_OPERATIONS,
  type MatrixProduct,
  type OperationOptions,
  type ScalarOperations,
} from '../../layout/operations.js';
import { EnergyError } from '../../util/errors.js';

/** The number of times that a matrix is multiplied with for one token, and the spikes that it reads. */
export interface ProductCount {
  readonly times: number;
  readonly spikesOf?: string | undefined;
}

/**
 * The products of a token of a network in time steps, in network order.
 *
 * @param sentenceTokens tokens that share what is computed once a sentence
 * @param countOf by a matrix's module and name, "attention.0/MODULE" and "key"
 */
export function productsOf(
  { parameters }: Layout,
  sentenceTokens: number,
  countOf: (module: string, matrix: Matrix) => ProductCount,
): MatrixProduct[] {
  return matricesOf(hierarchyOf(parameters))
    .filter(({ use }) => use !== 'lookup')
    .map((matrix) => {
      const [block, module] = matrix.path.split('/');
      const { times, spikesOf } = countOf(`${block}/${module}`, matrix);
      const tokens = matrix.use === 'sequence' ? sentenceTokens : 1;
      const macs = (times * matrix.parameters) / tokens;
      return { matrix, block, macs, tokens, ...(spikesOf !== undefined && { spikesOf }) };
    });
}

/** Tokens of a sentence as they were asked for. @throws {EnergyError} below 1 */
export function sentenceTokensOf({ sentenceTokens = 1 }: OperationOptions = {}): number {
  if (sentenceTokens >= 1 && Number.isFinite(sentenceTokens)) return sentenceTokens;
  throw new EnergyError({
    what: 'tokens of a sentence make no sense',
    where: 'counting operations',
    got: String(sentenceTokens),
    expected: 'at least 1',
  });
}

/** x + bias, and the layer norm of it. */
export function biasedNorm(channels: number): ScalarOperations {
  const norm = layerNormOperations(channels);
  return { ...norm, additions: norm.additions + channels };
}

/** u = v + (x − v)/τ with 1/τ at hand, the threshold with its reset. */
export function leakyNeurons(channels: number): ScalarOperations {
  return {
    ...NO_OPERATIONS,
    additions: 2 * channels,
    multiplications: channels,
    comparisons: channels,
  };
}

/** So many additions, and nothing else. */
export function additionsOf(additions: number): ScalarOperations {
  return { ...NO_OPERATIONS, additions };
}

/** y · (1 + erf(y / √2)) / 2 of x + bias; the error function counts as one function. */
export function geluOperations(channels: number): ScalarOperations {
  return {
    ...NO_OPERATIONS,
    additions: 2 * channels,
    multiplications: 3 * channels,
    functions: channels,
  };
}

/**
 * A token's attention over `tokens` tokens: products with keys and values, and of each head and token a maximum,
 * a difference, an exponential, a sum and a division. A spike chooses whether a product is added; all are counted.
 */
export function softmaxAttentionOperations(
  width: number,
  heads: number,
  tokens: number,
): ScalarOperations {
  const [values, scores] = [2 * width * tokens, heads * tokens];
  return {
    additions: values + 2 * scores,
    multiplications: values + scores,
    divisions: scores,
    functions: scores,
    comparisons: scores,
  };
}
