import { Option } from 'commander';
import { PRESETS } from '../quant/presets.js';
import { affineMinMax, paperMinMax, type Scheme } from '../quant/scheme.js';

/** How a bit width becomes a scheme, by the name a user gives. */
const SCHEMES = {
  'min-max': affineMinMax,
  'paper-minmax': paperMinMax,
  best: PRESETS.best,
} as const satisfies Readonly<Record<string, (bits: number) => Scheme>>;

export type SchemeName = keyof typeof SCHEMES;

export function schemeMaker(name: SchemeName): (bits: number) => Scheme {
  return SCHEMES[name];
}

export function schemeOption(): Option {
  return new Option(
    '--scheme <name>',
    'quantizer for --bits: min-max is per tensor and holds 0, paper-minmax need not hold 0',
  )
    .choices(Object.keys(SCHEMES))
    .default('min-max');
}
