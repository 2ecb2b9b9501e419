import { formatCount, formatCounted } from '../../util/format.js';
import type { ModelFamily } from '../family.js';
import { deriveSpikingBERT, SPIKINGBERT_CHOICES, type SpikingBERTConfig } from './config.js';
import { spikingBERTLayout } from './layout.js';
import { SpikingBERTNetwork } from './network.js';
import { countOperations } from './operations.js';

/**
 * SpikingBERT (Bal and Sengupta, 2024; github.com/NeuroCompLab-psu/SpikingBERT): integrate-and-fire neurons run
 * towards an equilibrium, with attention by softmax over products of queries and spikes.
 */
export const SPIKINGBERT: ModelFamily<SpikingBERTConfig> = {
  id: 'spikingbert',
  title: 'SpikingBERT',
  choices: SPIKINGBERT_CHOICES,
  claims: (tensors) => tensors.has('network_x.word_embeddings.weight'),
  // The same layers under other names and stale copies of them; a feedback and layers that nothing reads.
  ignores: (name) =>
    /^(?:snn_func|snn_func_copy|snn_ide_conv|pooler_layer|fit_dense)\./.test(name) ||
    /^network_s\d+\.fc\./.test(name) ||
    name === 'network_x.position_ids',
  derive: deriveSpikingBERT,
  layout: spikingBERTLayout,
  tokens: ({ contextLength }) => ({
    tokenizer: 'WordPiece',
    before: ['[CLS]'],
    after: ['[SEP]'],
    padding: { name: '[PAD]', id: 0 },
    length: 'longest',
    positions: contextLength,
    poolings: ['first-token'],
  }),
  build: (config) => new SpikingBERTNetwork(config),
  operations: countOperations,
  rateProxy: true,
  membranes: true,
  variant: ({ heads, timeSteps, threshold }) =>
    `spikingbert, ${heads} heads, ${timeSteps} steps, threshold ${threshold}`,
  describe: ({ layers, width, hiddenWidth, vocabSize }) => [
    formatCounted(layers, 'block'),
    `width ${formatCount(width)}`,
    `hidden width ${formatCount(hiddenWidth)}`,
    `vocabulary ${formatCount(vocabSize)}`,
  ],
};
