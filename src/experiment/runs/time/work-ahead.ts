import { type UnitGroup, groupsOf, normaliseBits } from '../../../search/space.js';
import { mostTrials } from '../../../search/tiers/tiers.js';
import type { ModelSpace } from '../../open/model-space.js';
import type { Study } from '../../open/study.js';
import type { SearchSettings } from '../search-settings.js';
import type { SweepSettings } from '../sweep-result.js';
import type { WorkPart } from './estimate.js';

/**
 * Share of an evaluation that is computed where one group changes: measured on the bundled models, prefixes save
 * 15 to 32 % and verdicts up to 5 %.
 */
const GROUP_SHARE = 0.75;

/**
 * Predictors whose table does not take an evaluation a row, and what it takes: a pass of gradients, as measured on
 * the bundled models, and passes without the steps of time, whose sum depends on how many a model has.
 */
const PASSES: ReadonlyMap<SearchSettings['predictor'], number> = new Map([
  ['fisher', 3],
  ['rates', 1],
]);

/** Plans that a group tries: it is refused at once, or goes down some way. Measured: 21 to 31 for 21 groups. */
export const TRIALS_A_GROUP = 1.15;

/** Plans on the front that a search by samples measures on all items. */
const FRONT_PLANS = 5;

/** Share of the items that a decision from samples takes where nothing limits it. */
const LADDER_SHARE = 0.4;

/** The part of a tiered search that its tiers are: expected from how many groups there are. */
export function tierGroups(space: ModelSpace, granularity: 'module' | 'matrix'): number {
  const finest = groupsOf(space, granularity).filter(({ inModuleTier }: UnitGroup) => inModuleTier);
  return groupsOf(space, 'block').length + finest.length;
}

/** Rows of a sensitivity table. */
function tableRows(
  space: ModelSpace,
  { bits, levels }: Pick<SweepSettings, 'bits' | 'levels'>,
): number {
  const groups = levels.reduce((sum, level) => sum + groupsOf(space, level).length, 0);
  return groups * normaliseBits(bits).length;
}

/** Evaluations of a sweep: its rows, and the unquantized model. */
export function sweepWork(study: Study, settings: SweepSettings): WorkPart[] {
  const granularity = settings.levels.includes('matrix') ? 'matrix' : 'module';
  const space = study.space({ granularity, quantizer: settings.quantizer });
  const { tokens } = study.task;
  const rows = tableRows(space, settings);
  return [
    { evaluations: 1, tokens },
    { evaluations: rows, tokens, share: GROUP_SHARE, changed: rows === 0 ? 0 : 2 / rows },
  ];
}

/**
 * Evaluations of a search, in the order that they come: table, unquantized model, decisions, what is measured on
 * all items after them, plans to compare with, and the held-out split.
 *
 * @param largest share of the items that the largest rung has; 1 by default.
 */
export function searchWork(study: Study, settings: SearchSettings, largest = 1): SearchWork {
  const space = study.space(settings);
  const { tokens } = study.task;
  const { bits, method, order, granularity, ladder, yardsticks } = settings;
  const widths = normaliseBits(bits).length;
  const tabled = method === 'knapsack' || order === 'least-sensitive-first';
  const levels = method === 'knapsack' ? [granularity] : (['block', granularity] as const);
  const before: WorkPart[] = [{ evaluations: 1, tokens }];
  const passes = PASSES.get(settings.predictor);
  if (tabled && passes !== undefined) before.push({ evaluations: passes, tokens });
  else if (tabled)
    before.push({ evaluations: tableRows(space, { bits, levels }), tokens, share: GROUP_SHARE });
  const groups = tierGroups(space, granularity);
  const taken = ladder === undefined ? 1 : Math.min(largest, LADDER_SHARE);
  const decisions: WorkPart[] =
    method === 'knapsack'
      ? [{ evaluations: settings.maxEvaluations / 2, most: settings.maxEvaluations, tokens }]
      : [
          { evaluations: widths / 2 + 1, most: widths, tokens: taken * tokens },
          {
            evaluations: TRIALS_A_GROUP * groups,
            most: mostTrials(space, settings) - widths,
            tokens: taken * tokens,
            share: GROUP_SHARE,
            changed: 1 / groups,
          },
        ];
  const compared = (yardsticks.uniform ? widths / 2 : 0) + yardsticks.random;
  const heldOut = study.options.heldOut?.task.tokens ?? 0;
  const smallest = ladder === undefined ? 1 : Math.min(taken, 0.05);
  const after: WorkPart[] = [
    ...(ladder === undefined ? [] : [{ evaluations: FRONT_PLANS, tokens: (1 - taken) * tokens }]),
    { evaluations: compared, tokens: smallest * tokens },
    { evaluations: heldOut > 0 ? 2 : 0, tokens: heldOut },
  ];
  return { before, decisions, after };
}

/** Parts of a search. */
export interface SearchWork {
  readonly before: readonly WorkPart[];
  readonly decisions: readonly WorkPart[];
  readonly after: readonly WorkPart[];
}
