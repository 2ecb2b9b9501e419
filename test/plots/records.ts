import type { UniformRecord } from '../../src/plots/records.js';

const BITS = [32, 16, 14, 12, 10, 8, 6, 5, 4];
/** DESIGN.md §7: spikegpt-mini, uniform, per tensor, PyTorch fp32. The intervals are rough. */
const ACCURACY = [0.777, 0.781, 0.781, 0.777, 0.775, 0.767, 0.697, 0.674, 0.645];
const PERPLEXITY = [36.32, 36.23, 36.4, 36.48, 37.12, 37.57, 39.45, 42.11, 50.87];

function bytesAt(baseline: number, bits: number): number {
  return bits === 32 ? baseline : Math.round(baseline * (bits / 32 + 0.001));
}

/** Uniform bit widths of the bundled models. */
export const UNIFORM: readonly UniformRecord[] = BITS.flatMap((bits, index) => {
  const [accuracy, perplexity] = [ACCURACY[index], PERPLEXITY[index]];
  const saving = 1 - bytesAt(1e9, bits) / 1e9;
  return [
    {
      task: 'sst2' as const,
      model: 'spikegpt-mini-sst2',
      bits,
      metric: accuracy,
      low: accuracy - 0.026,
      high: accuracy + 0.025,
      bytes: bytesAt(14.7e6, bits),
      saving,
    },
    {
      task: 'wikitext2' as const,
      model: 'spikegpt-mini',
      bits,
      metric: perplexity,
      low: perplexity * 0.965,
      high: perplexity * 1.035,
      bytes: bytesAt(17.85e6, bits),
      saving,
    },
  ];
});
