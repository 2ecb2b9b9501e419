import { PER_CHANNEL } from './granularity.js';
import { createScheme, paperMinMax, type Scheme } from './scheme.js';

/**
 * Schemes by name, one for every bit width.
 *
 * `paper`: the paper's quantizer, {@link paperMinMax}.
 *
 * `best`: affine, per channel, the range of smallest mean squared error, which measured best on spikegpt-mini
 * (perplexity on the first 16,384 tokens of WikiText-2 valid, context 256, baseline 36.32; embedding by
 * sign, all other matrices alike; footprint in MB):
 *
 *   bits                             2               3               4               6
 *   per tensor, min–max        1377.15  1.07    76.32  1.53    40.30  1.98    36.45  2.90
 *   per tensor, mse              54.42  1.07    38.89  1.53    37.07  1.98    36.39  2.90
 *   per channel, min–max         64.13  1.19    38.52  1.65    36.73  2.11    36.33  3.02
 *   per channel, mse             43.64  1.19    37.17  1.65    36.37  2.11    36.30  3.02
 *   the same, symmetric          48.44  1.13    37.73  1.59    36.55  2.05    36.38  2.96
 *   per group of 64, mse         41.55  1.53    37.20  1.98    36.62  2.44
 *
 * On SST-2 (1,000 sentences) the ranges and granularities differ by less than the noise from 3 bits up.
 */
export const PRESETS = Object.freeze({
  /** {@link paperMinMax}. */
  paper: paperMinMax,
  /** Affine, per channel, smallest mean squared error. */
  best: (bits: number): Scheme =>
    createScheme({ bits, granularity: PER_CHANNEL, range: { kind: 'mse' } }),
});

/** One of {@link PRESETS}. */
export type PresetName = keyof typeof PRESETS;

/** True for the name of a preset. */
export function isPreset(name: unknown): name is PresetName {
  return typeof name === 'string' && Object.hasOwn(PRESETS, name);
}
