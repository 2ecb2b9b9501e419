import type { LadderSettings, LadderUsed } from '../../search/ladder/rungs.js';
import { mostTrials } from '../../search/tiers/tiers.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Study } from '../open/study.js';
import type { SampledEvaluate } from '../scoring/evaluator.js';
import { sampledTask } from '../scoring/sampled-task.js';
import type { SearchSettings } from './search-settings.js';

/** A search's way to decide from samples. */
export interface SearchLadder extends SampledEvaluate {
  readonly used: LadderUsed;
}

/**
 * The samples of a search, and its level shared evenly among all decisions that it could come to (Bonferroni): the
 * probability that any of those called clear is wrong is at most the level.
 *
 * @param rungs that may be used; all by default.
 * @throws {SearchError} for data that samples say nothing of.
 */
export function openLadder(
  study: Study,
  space: ModelSpace,
  settings: Pick<SearchSettings, 'bits' | 'granularity'>,
  { level, seed }: LadderSettings,
  rungs = Infinity,
): SearchLadder {
  const sampled = sampledTask(study.task, { seed });
  const decisions = mostTrials(space, settings);
  const most = Math.min(rungs, sampled.rungs.length);
  const parts = { sampled, rungs: most, level: level / decisions };
  return {
    ...study.evaluator.evaluateOn(space, parts),
    used: { level, seed, decisions, rungs: sampled.rungs.slice(0, most), all: study.task.items },
  };
}
