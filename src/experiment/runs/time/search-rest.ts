import type { SearchProgress } from '../../../search/trace.js';
import { estimateOf, RestTime, type Speed } from './estimate.js';
import { TRIALS_A_GROUP, type SearchWork } from './work-ahead.js';

/** Groups that the expected trials of one weigh as much as, beside those that were seen. */
const PRIOR_GROUPS = 5;

/** The time left of a search, told with its progress. */
export class SearchRest {
  private readonly rest: RestTime;
  private readonly globalTrials: number;
  /** Of the first step after the global tier: groups left then, and steps done. */
  private tiers: { readonly groups: number; readonly done: number } | undefined;

  /** @param now milliseconds. */
  constructor({ decisions, after }: SearchWork, speed: Speed, now?: () => number) {
    const { seconds, evaluations } = estimateOf(decisions, speed);
    this.rest = new RestTime(seconds / evaluations, estimateOf(after, speed).seconds, now);
    this.globalTrials = decisions[0].evaluations;
  }

  /** The event with the seconds left. */
  see(event: SearchProgress): SearchProgress {
    const secondsLeft = this.rest.left(event.done, this.expected(event));
    return { ...event, secondsLeft };
  }

  /** Evaluations that will likely follow, the one under way included. */
  private expected({ stage, done, evaluationsLeft, groupsLeft }: SearchProgress): number {
    if (groupsLeft === undefined) return evaluationsLeft;
    if (stage === 'global') {
      const ofTier = Math.max(1, this.globalTrials - done);
      return Math.min(evaluationsLeft, ofTier + TRIALS_A_GROUP * (groupsLeft - 1));
    }
    this.tiers ??= { groups: groupsLeft, done };
    const [groups, trials] = [this.tiers.groups - groupsLeft, done - this.tiers.done];
    const each = (PRIOR_GROUPS * TRIALS_A_GROUP + trials) / (PRIOR_GROUPS + groups);
    return Math.min(evaluationsLeft, each * groupsLeft);
  }
}
