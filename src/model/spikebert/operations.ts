import {
  addOperations as sum,
  layerNormOperations,
  NO_OPERATIONS,
  timesOperations as times,
  type OperationOptions,
  type TokenOperations,
} from '../../layout/operations.js';
import {
  biasedNorm,
  leakyNeurons,
  productsOf,
  sentenceTokensOf,
  type ProductCount,
} from '../transformer/operations.js';
import type { SpikeBERTConfig } from './config.js';
import { spikeBERTLayout } from './layout.js';

/**
 * The operations a token of a SpikeBERT, all steps together. Padding is left out: of it one position a
 * sentence is computed. Inner products read spikes as they are; the first ones of a module read the sum of
 * spikes that the stream is, of which the idealized accounting takes the last summand.
 *
 * @throws {EnergyError} when `sentenceTokens` is below 1.
 */
export function countOperations(
  config: SpikeBERTConfig,
  options: OperationOptions = {},
): TokenOperations {
  const sentenceTokens = sentenceTokensOf(options);
  const products = productsOf(spikeBERTLayout(config), sentenceTokens, (module, { matrix }) =>
    countOf(config, module, matrix),
  );
  return {
    products,
    macs: products.reduce((total, { macs }) => total + macs, 0),
    elementwise: elementwise(config),
  };
}

function countOf({ timeSteps }: SpikeBERTConfig, module: string, matrix: string): ProductCount {
  switch (matrix) {
    case 'classifier':
      return { times: timeSteps };
    case 'last_m':
      return { times: timeSteps, spikesOf: `${module}/attention` };
    case 'fc2':
      return { times: timeSteps, spikesOf: `${module}/fc1` };
    case 'fc1':
      return { times: timeSteps, spikesOf: `${module.replace(/MLP$/, 'SSA')}/last_m` };
    default: {
      const block = Number(/^attention\.(\d+)/.exec(module)![1]);
      // The embedding is the same at all steps.
      if (block === 0) return { times: 1, spikesOf: 'input/embedding' };
      return { times: timeSteps, spikesOf: `attention.${block - 1}/MLP/fc2` };
    }
  }
}

function elementwise({
  width,
  hiddenWidth,
  layers,
  heads,
  timeSteps,
}: SpikeBERTConfig): TokenOperations['elementwise'] {
  const steps = layers * timeSteps;
  // Before the first block's q, k and v all steps are alike.
  const widthNorms = times(biasedNorm(width), 5 * steps - 3 * (timeSteps - 1));
  const norms = sum(widthNorms, times(biasedNorm(hiddenWidth), steps));
  // The attention's sums are scaled before its neurons.
  const scaled = { ...NO_OPERATIONS, multiplications: width };
  const neurons = sum(times(leakyNeurons(width), 6), leakyNeurons(hiddenWidth), scaled);
  // A head's kᵀ v and q (kᵀ v): spikes choose what is added, at most all of it.
  const attention = { ...NO_OPERATIONS, additions: 2 * width * (width / heads) };
  return [
    ['embedding', { ...NO_OPERATIONS, comparisons: width }],
    ['layer norm', sum(norms, times(layerNormOperations(width), timeSteps))],
    ['attention', times(attention, steps)],
    ['LIF', times(neurons, steps)],
    ['residual', { ...NO_OPERATIONS, additions: 2 * width * steps }],
    ['pooling', { ...NO_OPERATIONS, additions: width * timeSteps }],
  ];
}
