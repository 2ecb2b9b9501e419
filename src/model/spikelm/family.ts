import { formatCount, formatCounted } from '../../util/format.js';
import type { ModelFamily } from '../family.js';
import { deriveSpikeLM, SPIKELM_CHOICES, type SpikeLMConfig } from './config.js';
import { spikeLMLayout } from './layout.js';
import { SpikeLMNetwork } from './network.js';
import { countOperations } from './operations.js';

/**
 * SpikeLM (Xing et al., 2024; github.com/Xingrun-Xing/SpikeLM): a BERT whose linear layers read ternary spikes of
 * learned amplitudes, over time steps, with attention by softmax.
 */
export const SPIKELM: ModelFamily<SpikeLMConfig> = {
  id: 'spikelm',
  title: 'SpikeLM',
  choices: SPIKELM_CHOICES,
  claims: (tensors) =>
    [...tensors.keys()].some((name) => /^bert\.encoder\.layer\.\d+\..*\.act_clip_val\./.test(name)),
  // Amplitudes of weights, which stay real; a buffer of places; what pre-training predicted with.
  ignores: (name) => /\.weight_clip_val$|^bert\.embeddings\.position_ids$|^cls\./.test(name),
  derive: deriveSpikeLM,
  layout: spikeLMLayout,
  tokens: ({ contextLength }) => ({
    tokenizer: 'WordPiece',
    before: ['[CLS]'],
    after: ['[SEP]'],
    padding: { name: '[PAD]', id: 0 },
    length: 'longest',
    positions: contextLength,
    poolings: ['first-token'],
  }),
  build: (config) => new SpikeLMNetwork(config),
  operations: countOperations,
  membranes: true,
  variant: ({ heads }) => `spikelm, ${heads} heads`,
  describe: ({ layers, width, hiddenWidth, vocabSize, timeSteps }) => [
    formatCounted(layers, 'block'),
    `width ${formatCount(width)}`,
    `hidden width ${formatCount(hiddenWidth)}`,
    `vocabulary ${formatCount(vocabSize)}`,
    formatCounted(timeSteps, 'time step'),
  ],
};
