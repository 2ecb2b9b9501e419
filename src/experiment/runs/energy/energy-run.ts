import type { FiringRates } from '../../../energy/accounting.js';
import type { ModelStructure } from '../../../model/structure.js';
import { resolvePlan, type ResolvedPlan } from '../../../quant/plan.js';
import type { RunOptions } from '../../../util/progress.js';
import { measureStepRates, type StepRates } from '../../observe/firing-rates.js';
import type { Study } from '../../open/study.js';
import type { NamedPlan } from '../measure-plans.js';

/** The plan and the firing rates that the energy of a plan is modelled from. */
export interface EnergyPlan {
  readonly name: string;
  readonly plan: ResolvedPlan;
  /** Measured under this plan. */
  readonly firingRates: FiringRates;
  /** The same step by step, for families that run in time steps; absent where it is not known. */
  readonly stepRates?: StepRates;
}

export interface EnergyRun {
  readonly model: ModelStructure;
  /** Tokens of a sentence, on average; 1 where the task is no classification. */
  readonly sentenceTokens: number;
  /** In the order asked for; the first is what others are compared with. */
  readonly plans: readonly EnergyPlan[];
}

/**
 * All that the modelled energy of some plans needs beside constants: their bits, the firing rates under
 * each of them on the data that is searched on, and the length of its sentences.
 *
 * @throws {QuantError} as `resolvePlan`. As `measureStepRates`.
 */
export async function runEnergy(
  { task, options: { file } }: Pick<Study, 'task' | 'options'>,
  plans: readonly NamedPlan[],
  options: RunOptions = {},
): Promise<EnergyRun> {
  const resolved = plans.map(({ plan }) => resolvePlan(plan, file.hierarchy));
  const rates = await measureStepRates(file, task, resolved, options);
  return {
    model: file,
    sentenceTokens: task.sentenceTokens,
    plans: plans.map(({ name }, at) => ({
      ...{ name, plan: resolved[at] },
      ...{ firingRates: rates[at].rates, stepRates: rates[at].perStep },
    })),
  };
}
