import {
  addOperations as sum,
  layerNormOperations,
  NO_OPERATIONS,
  timesOperations as times,
  type OperationOptions,
  type ScalarOperations,
  type TokenOperations,
} from '../../layout/operations.js';
import {
  additionsOf,
  biasedNorm,
  geluOperations,
  productsOf,
  sentenceTokensOf,
  softmaxAttentionOperations,
} from '../transformer/operations.js';
import type { SpikeLMConfig } from './config.js';
import { spikeLMLayout } from './layout.js';

/**
 * The operations a token of a SpikeLM, all steps together: every linear layer reads ternary spikes of its own.
 * The attention of a token goes over all tokens of its sentence.
 *
 * @throws {EnergyError} when `sentenceTokens` is below 1.
 */
export function countOperations(
  config: SpikeLMConfig,
  options: OperationOptions = {},
): TokenOperations {
  const { width, hiddenWidth, layers, timeSteps, heads } = config;
  const sentenceTokens = sentenceTokensOf(options);
  const products = productsOf(spikeLMLayout(config), sentenceTokens, (module, { matrix }) =>
    module.startsWith('output')
      ? { times: 1 }
      : { times: timeSteps, spikesOf: `${module}/${matrix}` },
  );
  const steps = layers * timeSteps;
  return {
    products,
    macs: products.reduce((total, { macs }) => total + macs, 0),
    elementwise: [
      ['embedding', sum(additionsOf(2 * width), layerNormOperations(width))],
      // Keys and values keep no membrane.
      [
        'ternary neurons',
        times(sum(ternary(7 * width + hiddenWidth), memory(5 * width + hiddenWidth)), steps),
      ],
      ['attention', times(softmaxAttentionOperations(width, heads, sentenceTokens), steps)],
      ['biases', additionsOf(3 * width * steps)],
      ['GELU', times(geluOperations(hiddenWidth), steps)],
      ['layer norm', times(sum(biasedNorm(width), additionsOf(width)), 2 * steps)],
      ['pooling', additionsOf((width * timeSteps) / sentenceTokens)],
    ],
  };
}

/** A division by α and two comparisons; α is the spike's height. */
function ternary(channels: number): ScalarOperations {
  return { ...NO_OPERATIONS, divisions: channels, comparisons: 2 * channels };
}

/** The membrane 0.25 m (α − s), and the current on top of it. */
function memory(channels: number): ScalarOperations {
  return { ...NO_OPERATIONS, additions: 2 * channels, multiplications: 2 * channels };
}
