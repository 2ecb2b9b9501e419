import { formatCount, formatCounted } from '../../util/format.js';
import type { ModelFamily } from '../family.js';
import { deriveSpikeGPT, SPIKEGPT_CHOICES, type SpikeGPTConfig } from './config.js';
import { spikeGPTDevice } from './device.js';
import { spikeGPTLayout } from './layout.js';
import { SpikeGPTNetwork } from './network.js';
import { countOperations } from './operations.js';

/**
 * SpikeGPT (Zhu et al., 2023; github.com/ridgerchu/SpikeGPT): RWKV-style token and channel mixing with LIF
 * neurons after each, under the published parameter names.
 */
export const SPIKEGPT: ModelFamily<SpikeGPTConfig> = {
  id: 'spikegpt',
  title: 'SpikeGPT',
  choices: SPIKEGPT_CHOICES,
  claims: (tensors) =>
    [...tensors.keys()].some((name) => /^blocks\.\d+\.(?:att|ffn|ffnPre)\./.test(name)),
  ignores: () => false,
  derive: deriveSpikeGPT,
  layout: spikeGPTLayout,
  tokens: () => ({
    tokenizer: 'byte-level BPE',
    before: [],
    after: [],
    padding: { name: '<|padding|>', id: 0 },
    length: 'longest',
    poolings: ['real-tokens', 'all-positions'],
  }),
  newClassifier: ({ width }, classes) => ({ name: 'classifier.weight', shape: [classes, width] }),
  build: (config) => new SpikeGPTNetwork(config),
  operations: countOperations,
  device: spikeGPTDevice,
  membranes: true,
  inputs: true,
  variant: ({ embedding }) => embedding,
  describe: ({ layers, width, hiddenWidth, vocabSize, ffnPre }) => [
    formatCounted(layers, 'block'),
    `width ${formatCount(width)}`,
    `hidden width ${formatCount(hiddenWidth)}`,
    `vocabulary ${formatCount(vocabSize)}`,
    ...(ffnPre ? ['ffnPre in block 0'] : []),
  ],
};
