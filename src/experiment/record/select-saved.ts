import type { Hierarchy } from '../../layout/hierarchy.js';
import type { Plan } from '../../quant/plan.js';
import { schemeMaker } from '../../quant/quantizers.js';
import { select } from '../../search/score.js';
import type { CandidateJson, CandidatesJson } from './search-schema.js';

/** The candidate of a finished search that a weight selects. */
export interface SavedSelection {
  readonly lambda: number;
  readonly candidate: CandidateJson;
  readonly plan: Plan;
  /** Share of the unquantized model's bytes that is saved. */
  readonly saving: number;
}

/**
 * Selects from the candidates of a finished search; nothing is measured.
 *
 * @param hierarchy of the run's model
 * @returns undefined where no candidate was found.
 * @throws {SearchError} when λ is not in [0, 1].
 */
export function selectSaved(
  kept: CandidatesJson,
  lambda: number,
  hierarchy: Hierarchy,
): SavedSelection | undefined {
  const candidate = select(kept.candidates, lambda, kept);
  if (candidate === undefined) return undefined;
  return {
    lambda,
    candidate,
    plan: planOfKept(kept, candidate, hierarchy),
    saving: 1 - candidate.bytes / kept.fp32Bytes,
  };
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
