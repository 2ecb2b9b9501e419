import { Option } from 'commander';
import type { ModelConfig } from '../../model/spikegpt/config.js';
import { presetPlan, uniformPlan, type Plan } from '../../quant/plan.js';
import { paperMinMax } from '../../quant/scheme/scheme.js';

/** How a bit width becomes a plan, by the name a user gives. */
const QUANTIZERS = {
  'min-max': (bits) => uniformPlan(bits),
  'paper-minmax': (bits) => uniformPlan(bits, paperMinMax),
  best: (bits, config) => presetPlan('best', bits, config),
} as const satisfies Readonly<Record<string, (bits: number, config: ModelConfig) => Plan>>;

export type QuantizerName = keyof typeof QUANTIZERS;

/** One bit width for the whole model. */
export function planMaker(name: QuantizerName, config: ModelConfig): (bits: number) => Plan {
  return (bits) => QUANTIZERS[name](bits, config);
}

export function quantizerOption(): Option {
  return new Option(
    '--quantizer <name>',
    'min-max: per tensor, the range widened to hold 0; paper-minmax: not widened; best: per channel, least squared error, a spike embedding by its sign',
  )
    .choices(Object.keys(QUANTIZERS))
    .default('min-max');
}
