import { compactPlan, planId } from '../../quant/plan.js';
import {
  lambdaIntervals as intervalsOf,
  scoreContext,
  type LambdaInterval,
  type ScoreContext,
  type ScoreName,
} from '../../search/score.js';
import { selectWithin, type Numbered, type TieRule } from '../../search/ties.js';
import type { Candidate } from '../../search/trace.js';
import { SearchError } from '../../util/errors.js';
import type { SearchResult, SelectedPlan } from '../runs/search-result.js';
import { energyTerm } from './energy-objective.js';

/** A search that a plan is selected from: a `SearchRun`, or one that was read back. */
export type SelectableRun = Pick<
  SearchResult,
  'settings' | 'space' | 'outcome' | 'ties' | 'energy'
>;

/** The score and the rule for ties; those of the run's settings where they are left out. */
export interface SelectOptions {
  readonly score?: ScoreName | undefined;
  readonly tie?: TieRule | undefined;
  /** Weight of modelled energy in the score; 0 leaves energy aside. */
  readonly energyWeight?: number | undefined;
}

/**
 * The score of a run, in the units of its limits.
 *
 * @throws {SearchError} for a weight of energy where that is not modelled.
 */
export function runContext(
  { settings, outcome, energy }: Pick<SearchResult, 'settings' | 'outcome' | 'energy'>,
  {
    score = settings.score ?? 'paper',
    energyWeight = settings.energyWeight,
  }: Omit<SelectOptions, 'tie'> = {},
): ScoreContext {
  const term = energyTerm(energyWeight, energy);
  return scoreContext(score, outcome.limits, outcome.fp32Bytes, term);
}

/** The candidates of a run with what a score looks at: their energies, where it weighs those. */
function weighedIn(
  { outcome, energy }: Pick<SearchResult, 'outcome' | 'energy'>,
  context: ScoreContext,
): readonly Weighed[] {
  return outcome.candidates.map((own) => ({
    ...{ own, step: own.step, metric: own.metric, bytes: own.bytes },
    ...(context.energy && { energy: own.energy ?? energy?.of(own.assignment) }),
  }));
}

interface Weighed extends Numbered {
  readonly own: Candidate;
}

/**
 * The plan of a finished search that λ selects; nothing is measured.
 *
 *     const small = select(run, 0.8, { score: 'balanced' });
 *     await exportModel(study.options.file, small.plan, 'small.safetensors');
 *
 * @param lambda weight of memory: at least 0 in the paper's score, 0 to 1 in the balanced one.
 * @throws {SearchError} for another λ, for a weight of energy where that is not modelled, for a search without candidates, and for `one-se` on a run that kept
 *   no paired errors (of an earlier version).
 */
export function select(
  run: SelectableRun,
  lambda: number,
  options: SelectOptions = {},
): SelectedPlan {
  const candidate = selectCandidate(run, lambda, options);
  if (candidate === undefined)
    throw new SearchError({
      what: 'no plan of this search keeps its limits',
      where: 'select',
      got: 'no candidates',
      expected: 'a search that found some: larger limits',
    });
  const { space } = run;
  const resolved = space.resolve(candidate.assignment);
  return {
    lambda,
    candidate,
    plan: compactPlan(resolved, space.hierarchy),
    planId: planId(resolved),
  };
}

/** The candidate that {@link select} takes; undefined where there is none. @throws as `select`. */
export function selectCandidate(
  run: Omit<SelectableRun, 'space'>,
  lambda: number,
  { tie = run.settings.tie ?? 'none', ...by }: SelectOptions = {},
): Candidate | undefined {
  const { ties } = run;
  if (tie === 'one-se') requireTies(ties, 'select');
  const within = tie === 'one-se' ? ties : undefined;
  const context = runContext(run, by);
  return selectWithin(weighedIn(run, context), lambda, context, within)?.own;
}

/** @throws {SearchError} where a run does not know which of its plans differ by noise alone. */
export function requireTies(ties: SearchResult['ties'], where: string): void {
  if (ties !== undefined) return;
  throw new SearchError({
    what: 'the run does not say which of its plans differ by noise alone',
    where,
    got: 'a run of an earlier version',
    expected: "the tie rule 'none', or the search run again: its measurements are in the store",
  });
}

/**
 * The plan that each λ of a score takes, in rising λ: from 0 to 1 of the balanced score, from 0 to infinity
 * of the paper's. The rule for ties is left aside.
 */
export function lambdaIntervals(
  run: Pick<SearchResult, 'settings' | 'outcome' | 'energy'>,
  options: Omit<SelectOptions, 'tie'> = {},
): LambdaInterval<Candidate>[] {
  const context = runContext(run, options);
  return intervalsOf(weighedIn(run, context), context).map(({ candidate, from, to }) => ({
    ...{ candidate: candidate.own, from, to },
  }));
}
