import type { Hierarchy } from '../../layout/hierarchy.js';
import type { ModelStructure } from '../../model/structure.js';
import { resolvePlan, type Plan } from '../../quant/plan.js';
import { schemeMaker } from '../../quant/quantizers.js';
import type { Limits } from '../../search/constraints.js';
import {
  scoreContext,
  type EnergyTerm,
  type ScoreContext,
  type ScoreName,
} from '../../search/score.js';
import { selectWithin, type Numbered, type TieRule, type Ties } from '../../search/ties.js';
import { energyTerm, modelledPlans } from '../selection/energy-objective.js';
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
  /** Weight of modelled energy; 0, where energy is no objective, by default. */
  readonly energyWeight?: number | undefined;
}

/**
 * Selects from the candidates of a finished search; nothing is measured.
 *
 * @param model of the run
 * @returns undefined where no candidate was found.
 * @throws {SearchError} for a λ that the score does not have, for `one-se` on a run that kept no ties, and for
 *   a weight of energy where that is not modelled.
 */
export function selectSaved(
  kept: CandidatesJson,
  lambda: number,
  model: ModelStructure,
  { tie = 'none', ...by }: SavedSelectOptions = {},
): SavedSelection | undefined {
  const ties = savedTies(kept);
  if (tie === 'one-se') requireTies(ties, 'select');
  const within = tie === 'one-se' ? ties : undefined;
  const { candidates, context } = savedScored(kept, model, by);
  const candidate = selectWithin(candidates, lambda, context, within)?.own;
  if (candidate === undefined) return undefined;
  return {
    lambda,
    candidate,
    plan: planOfKept(kept, candidate, model.hierarchy),
    saving: 1 - candidate.bytes / kept.fp32Bytes,
  };
}

/** A candidate of a finished search with what a score looks at. */
interface ScoredCandidate extends Numbered {
  readonly own: CandidateJson;
}

/**
 * Candidates and score of a finished search. Where the score weighs modelled energy and the run did not, the
 * energies are worked out from the plans.
 *
 * @throws {SearchError} for a weight of energy where that is not modelled.
 */
export function savedScored(
  kept: CandidatesJson,
  model: ModelStructure,
  { score = 'paper', energyWeight = 0 }: Omit<SavedSelectOptions, 'tie'>,
): { readonly candidates: readonly ScoredCandidate[]; readonly context: ScoreContext } {
  const modelled = modelledPlans(model);
  const term = energyTerm(energyWeight, modelled);
  const energyOf = (own: CandidateJson): number =>
    own.modelledMicrojoules ??
    modelled!.ofPlan(resolvePlan(planOfKept(kept, own, model.hierarchy), model.hierarchy));
  return {
    candidates: kept.candidates.map((own) => ({
      ...{ own, step: own.step, metric: own.metric, bytes: own.bytes },
      ...(term && { energy: energyOf(own) }),
    })),
    context: savedContext(kept, score, term),
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
  energy?: EnergyTerm,
): ScoreContext {
  return scoreContext(score, savedLimits(kept), kept.fp32Bytes, energy);
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
