import { createScheme, paperMinMax, UNQUANTIZED_BITS, type Scheme } from './scheme.js';
import { PER_CHANNEL } from './granularity.js';

/** A scheme for every bit width. */
export type Preset = (bits: number) => Scheme;

/** The paper's quantizer: {@link paperMinMax}. */
const paper: Preset = paperMinMax;

/** What measures best (see the note at {@link PRESETS}). */
const best: Preset = (bits) =>
  bits === UNQUANTIZED_BITS
    ? createScheme({ bits })
    : createScheme({ bits, granularity: PER_CHANNEL, range: { kind: 'mse' } });

export const PRESETS = Object.freeze({ paper, best });
export type PresetName = keyof typeof PRESETS;

export function isPreset(name: unknown): name is PresetName {
  return typeof name === 'string' && Object.hasOwn(PRESETS, name);
}
