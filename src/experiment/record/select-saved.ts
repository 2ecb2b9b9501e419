import type { Hierarchy } from '../../layout/hierarchy.js';
import type { Plan } from '../../quant/plan.js';
import { schemeMaker } from '../../quant/quantizers.js';
import type { Limits } from '../../search/constraints.js';
import { scoreContext, type ScoreContext, type ScoreName } from '../../search/score.js';
import { selectWithin, type TieRule, type Ties } from '../../search/ties.js';
import { requireTies } from '../selection/select-run.js';
import type { CandidateJson, CandidatesJson } from './search-schema.js';

/** The candidate of a finished search that a weight selects. */
export interface SavedSelection {
  readonly lambda: number;
  readonly candidate: CandidateJson;
  readonly plan: Plan;
  /** Share of the unquantized model's bytes that is saved. */
  readonly saving: number;
}

/** The score and the rule for ties: of the run's settings, or others. */
export interface SavedSelectOptions {
  readonly score?: ScoreName | undefined;
  readonly tie?: TieRule | undefined;
}

/**
 * Selects from the candidates of a finished search; nothing is measured.
 *
 * @param hierarchy of the run's model
 * @returns undefined where no candidate was found.
 * @throws {SearchError} for a λ that the score does not have, and for `one-se` on a run that kept no ties.
 */
export function selectSaved(
  kept: CandidatesJson,
  lambda: number,
  hierarchy: Hierarchy,
  { score = 'paper', tie = 'none' }: SavedSelectOptions = {},
): SavedSelection | undefined {
  const ties = savedTies(kept);
  if (tie === 'one-se') requireTies(ties, 'select');
  const within = tie === 'one-se' ? ties : undefined;
  const candidate = selectWithin(kept.candidates, lambda, savedContext(kept, score), within);
  if (candidate === undefined) return undefined;
  return {
    lambda,
    candidate,
    plan: planOfKept(kept, candidate, hierarchy),
    saving: 1 - candidate.bytes / kept.fp32Bytes,
  };
}

/** The limits that a search was made under. */
export function savedLimits({
  metric,
  baseline,
  limits,
}: Pick<CandidatesJson, 'metric' | 'baseline' | 'limits'>): Limits {
  const { loss, bytes } = limits;
  const quality = { metric, baseline, allowedLoss: loss ?? Infinity };
  return { quality, maxBytes: bytes ?? Infinity };
}

/** A score in the units of a search's limits. */
export function savedContext(
  kept: Pick<CandidatesJson, 'metric' | 'baseline' | 'limits' | 'fp32Bytes'>,
  score: ScoreName,
): ScoreContext {
  return scoreContext(score, savedLimits(kept), kept.fp32Bytes);
}

/** Candidates that the data cannot tell apart; undefined of a run of an earlier version. */
export function savedTies({ candidates }: Pick<CandidatesJson, 'candidates'>): Ties | undefined {
  const known = candidates.flatMap(({ step, ties }) =>
    ties === undefined ? [] : [[step, ties] as const],
  );
  return known.length < candidates.length ? undefined : new Map(known);
}

/** The plan of a candidate, a unit a line. */
export function planOfKept(
  { quantizer }: Pick<CandidatesJson, 'quantizer'>,
  { bits }: Pick<CandidateJson, 'bits'>,
  hierarchy: Hierarchy,
): Plan {
  const makeScheme = schemeMaker(quantizer, hierarchy);
  return new Map(Object.entries(bits).map(([unit, width]) => [unit, makeScheme(width, unit)]));
}
