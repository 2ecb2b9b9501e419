import { Option } from 'commander';
import { ENERGY_WORDS } from '../../experiment/selection/energy-objective.js';
import { SCORE_NAMES, type ScoreName } from '../../search/score.js';
import { TIE_RULES, type TieRule } from '../../search/ties.js';
import { numberWhere } from './common.js';

/** Flags that say by what a plan is selected. */
export interface SelectionFlags {
  readonly score?: ScoreName;
  readonly tie?: TieRule;
  readonly energyWeight?: number;
}

/** `--score`. @param byDefault the score where the flag is left out, in words. */
export function scoreOption(byDefault: string): Option {
  return new Option(
    '--score <name>',
    `paper: metric and λ · memory/float32 memory, λ from 0 on; balanced: (1 − λ) · loss/allowed + λ · memory/allowed, λ from 0 to 1; default: ${byDefault}`,
  ).choices(SCORE_NAMES);
}

/** `--tie`. @param byDefault the rule where the flag is left out, in words. */
export function tieOption(byDefault: string): Option {
  return new Option(
    '--tie <rule>',
    `one-se: the smallest plan that is worse than the best by at most one standard error of their paired difference; none: the best; default: ${byDefault}`,
  ).choices(TIE_RULES);
}

/** `--energy-weight`. @param byDefault the weight where the flag is left out, in words. */
export function energyOption(byDefault: string): Option {
  return new Option(
    '--energy-weight <weight>',
    `adds weight · energy/float32 energy to what counts against a plan; energy is modelled (${ENERGY_WORDS}), none is measured; default: ${byDefault}`,
  ).argParser(numberWhere((value) => value >= 0, 'a number, 0 or more'));
}
