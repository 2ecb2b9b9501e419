import type { Accounting } from '../../energy/accounting.js';
import { modelEnergy } from '../../energy/model-energy.js';
import { isModelled } from '../../energy/operations.js';
import type { WeightMemory } from '../../energy/technology.js';
import type { ModelStructure } from '../../model/structure.js';
import { resolvePlan, type ResolvedPlan } from '../../quant/plan.js';
import type { EnergyTerm } from '../../search/score.js';
import type { Assignment } from '../../search/space.js';
import type { Candidate } from '../../search/trace.js';
import { SearchError } from '../../util/errors.js';
import type { ModelSpace } from '../open/model-space.js';
import type { SearchSettings } from '../runs/search-settings.js';

/**
 * The energy that selection weighs: modelled as built, from DRAM, all weights for every token. Neither
 * firing rates nor an assumption about integer inputs are in it, so that a plan has the same number before
 * and after it is measured. Only the reading of the weights changes by a plan.
 */
export const ENERGY_SETTING = {
  accounting: 'as built',
  memory: 'DRAM',
  tokensPerRead: 1,
} as const satisfies { accounting: Accounting; memory: WeightMemory; tokensPerRead: number };

/** {@link ENERGY_SETTING} in words. */
export const ENERGY_WORDS = 'modelled as built, DRAM, all weights for every token';

/** The modelled energy of a model's plans, in microjoules a token: nothing is measured. */
export interface ModelledPlans {
  readonly origin: 'modelled';
  /** Of the unquantized model. */
  readonly unquantized: number;
  ofPlan(plan: ResolvedPlan): number;
}

/** @returns undefined for a family that counts no operations: its energy is not modelled. */
export function modelledPlans(file: ModelStructure): ModelledPlans | undefined {
  if (!isModelled(file)) return undefined;
  const ofPlan = (plan: ResolvedPlan): number =>
    modelEnergy(file, plan, ENERGY_SETTING).total.middle;
  return {
    origin: 'modelled',
    unquantized: ofPlan(resolvePlan(new Map(), file.hierarchy)),
    ofPlan,
  };
}

/** Energy as an objective of one search: its plans' energies, and the unquantized model's. */
export interface EnergyObjective {
  readonly unquantized: number;
  readonly of: (assignment: Assignment) => number;
}

/** @returns undefined as {@link modelledPlans}. */
export function energyObjective(
  file: ModelStructure,
  space: Pick<ModelSpace, 'resolve'>,
): EnergyObjective | undefined {
  const modelled = modelledPlans(file);
  return (
    modelled && {
      unquantized: modelled.unquantized,
      of: (assignment) => modelled.ofPlan(space.resolve(assignment)),
    }
  );
}

/**
 * The term of a score for a weight; undefined for 0, where energy is no objective.
 *
 * @throws {SearchError} for a weight above 0 where the energy of the model is not modelled.
 */
export function energyTerm(
  weight: number | undefined,
  modelled: Pick<ModelledPlans, 'unquantized'> | undefined,
): EnergyTerm | undefined {
  if (weight === undefined || weight === 0) return undefined;
  if (modelled !== undefined) return { weight, unquantized: modelled.unquantized };
  throw new SearchError({
    what: 'energy can be no objective: it is not modelled for this family',
    where: 'energy weight',
    got: String(weight),
    expected: '0, or a model whose family counts its operations',
  });
}

/** Candidates with their modelled energy, where the settings weigh it; else the outcome as it is. */
export function withEnergy<T extends { readonly candidates: readonly Candidate[] }>(
  outcome: T,
  { energyWeight }: Pick<SearchSettings, 'energyWeight'>,
  energy: EnergyObjective | undefined,
): T {
  if (energyTerm(energyWeight, energy) === undefined) return outcome;
  const candidates = outcome.candidates.map((candidate) => ({
    ...candidate,
    energy: energy!.of(candidate.assignment),
  }));
  return { ...outcome, candidates };
}
