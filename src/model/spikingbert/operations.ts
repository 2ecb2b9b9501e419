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
  type ProductCount,
} from '../transformer/operations.js';
import type { SpikingBERTConfig } from './config.js';
import { spikingBERTLayout } from './layout.js';

/**
 * The operations a token of a SpikingBERT, all steps together: every linear layer but the last reads spikes.
 * The attention of a token goes over all tokens of its sentence.
 *
 * @throws {EnergyError} when `sentenceTokens` is below 1.
 */
export function countOperations(
  config: SpikingBERTConfig,
  options: OperationOptions = {},
): TokenOperations {
  const { width, hiddenWidth, layers, timeSteps, heads } = config;
  const sentenceTokens = sentenceTokensOf(options);
  const products = productsOf(spikingBERTLayout(config), sentenceTokens, (module, { matrix }) =>
    countOf(config, module, matrix),
  );
  const steps = layers * timeSteps;
  return {
    products,
    macs: products.reduce((total, { macs }) => total + macs, 0),
    elementwise: [
      ['embedding', sum(additionsOf(2 * width), layerNormOperations(width))],
      ['attention', times(softmaxAttentionOperations(width, heads, sentenceTokens), steps)],
      ['biases', additionsOf(3 * width * steps)],
      ['GELU', times(geluOperations(hiddenWidth), steps)],
      ['layer norm', times(sum(biasedNorm(width), additionsOf(width)), 2 * steps)],
      [
        'IF',
        sum(
          times(integrators(5 * width + hiddenWidth), steps),
          times(integrators(width), timeSteps),
        ),
      ],
      ['pooling', additionsOf((width * timeSteps) / sentenceTokens)],
    ],
  };
}

function countOf({ timeSteps }: SpikingBERTConfig, module: string, matrix: string): ProductCount {
  const [block, part] = module.split('/');
  if (block === 'output') return { times: 1 };
  if (part === 'feed-forward') {
    const spikesOf = matrix === 'output' ? `${module}/intermediate` : `${block}/attention/output`;
    return { times: timeSteps, spikesOf };
  }
  if (matrix === 'output') return { times: timeSteps, spikesOf: `${module}/attention` };
  const encoder = Number(block.split('.')[1]);
  const before =
    encoder === 0 ? 'input/embeddings' : `attention.${encoder - 1}/feed-forward/output`;
  return { times: timeSteps, spikesOf: before };
}

/** The current added, the threshold, and what a spike takes away. */
function integrators(channels: number): ScalarOperations {
  return { ...NO_OPERATIONS, additions: 2 * channels, comparisons: channels };
}
