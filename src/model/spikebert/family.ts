import { formatCount, formatCounted } from '../../util/format.js';
import type { ModelFamily } from '../family.js';
import { deriveSpikeBERT, SPIKEBERT_CHOICES, type SpikeBERTConfig } from './config.js';
import { spikeBERTLayout } from './layout.js';
import { SpikeBERTNetwork } from './network.js';
import { countOperations } from './operations.js';

/**
 * SpikeBERT (Lv et al., 2023; github.com/Lvchangze/SpikeBERT): a Spikformer on a sign embedding, with spiking
 * self-attention without softmax and LIF neurons over time steps, at a fixed length.
 */
export const SPIKEBERT: ModelFamily<SpikeBERTConfig> = {
  id: 'spikebert',
  title: 'SpikeBERT',
  choices: SPIKEBERT_CHOICES,
  claims: (tensors) => tensors.has('blocks.0.attn.q_m.weight'),
  // Left behind by distillation.
  ignores: (name) => /^transforms\.\d+\./.test(name),
  derive: deriveSpikeBERT,
  layout: spikeBERTLayout,
  tokens: ({ contextLength }) => ({
    tokenizer: 'WordPiece',
    before: ['[CLS]'],
    after: ['[SEP]'],
    padding: { name: '[PAD]', id: 0 },
    length: contextLength,
    poolings: ['all-positions'],
  }),
  build: (config) => new SpikeBERTNetwork(config),
  operations: countOperations,
  membranes: true,
  variant: ({ heads, timeSteps, tau, threshold }) =>
    `spikebert, ${heads} heads, ${timeSteps} steps, tau ${tau}, threshold ${threshold}`,
  describe: ({ layers, width, hiddenWidth, vocabSize }) => [
    formatCounted(layers, 'block'),
    `width ${formatCount(width)}`,
    `hidden width ${formatCount(hiddenWidth)}`,
    `vocabulary ${formatCount(vocabSize)}`,
  ],
};
