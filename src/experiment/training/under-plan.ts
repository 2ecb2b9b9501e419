import type { Teacher } from '../../model/family.js';
import type { ModelDescription } from '../../model/structure.js';
import { parsePlan } from '../../quant/plan-json.js';
import { isUnquantized, resolvePlan, type Plan } from '../../quant/plan.js';
import { calibratedBy } from '../../quant/scheme/scheme.js';
import { readTextFile } from '../../tasks/data/text.js';
import { StraightThrough } from '../../training/straight-through.js';
import { UsageError } from '../../util/errors.js';

/** The part of the unquantized model in a training, beside the task. */
export interface Distillation {
  /** Share of the divergence from it in the loss, above 0 and up to 1; half by default. */
  readonly weight?: number | undefined;
  /** Divisor of the logits of both; 2 by default. */
  readonly temperature?: number | undefined;
}

/** Half the loss, and the temperature that smaller classes are heard at. */
export const DEFAULT_DISTILLATION = { weight: 0.5, temperature: 2 } as const;

/** A distillation with its numbers. @throws {UsageError} for numbers that make no sense. */
export function distillationOf(asked: Distillation): Omit<Teacher, 'network'> {
  const weight = asked.weight ?? DEFAULT_DISTILLATION.weight;
  const temperature = asked.temperature ?? DEFAULT_DISTILLATION.temperature;
  const refuse = (where: string, got: number, expected: string): never => {
    throw new UsageError({ what: 'not a usable number', where, got: String(got), expected });
  };
  if (!(weight > 0 && weight <= 1)) refuse('distill', weight, 'above 0 and up to 1');
  if (!(temperature > 0 && temperature < Infinity))
    refuse('temperature', temperature, 'above 0, and finite');
  return { weight, temperature };
}

/**
 * The training of a model under a plan.
 *
 * @param plan a plan, or the path of a plan file
 * @throws {QuantError} for a file that is no plan, and for a plan that does not fit the model. {UsageError} for one
 *   that quantizes nothing, or whose integers are not those of the values alone.
 */
export async function straightThrough(
  plan: Plan | string,
  { hierarchy, layout }: Pick<ModelDescription, 'hierarchy' | 'layout'>,
): Promise<StraightThrough> {
  const where = typeof plan === 'string' ? plan : 'plan';
  const wanted =
    typeof plan === 'string' ? parsePlan(await readTextFile(plan), plan, hierarchy) : plan;
  const resolved = resolvePlan(wanted, hierarchy);
  if (isUnquantized(resolved))
    throw new UsageError({
      what: 'the plan quantizes nothing to train for',
      where,
      got: 'float32 for every matrix',
      expected: 'bit widths of at most 16, or no plan',
    });
  const calibrated = [...resolved].find(([, scheme]) => calibratedBy(scheme) !== undefined);
  if (calibrated !== undefined)
    throw new UsageError({
      what: 'a calibration sample decides on integers, which training moves at every step',
      where: `${where}, tensor ${calibrated[0]}`,
      got: String(calibratedBy(calibrated[1])),
      expected: 'quantizers that need no sample, as min-max, percentile or mse',
    });
  return new StraightThrough(resolved, layout);
}

/** @throws {UsageError} for a model whose classifier is new, and knows nothing to be learnt. */
export function requireTaught({ newLayer }: { readonly newLayer: unknown }): void {
  if (newLayer === undefined) return;
  throw new UsageError({
    what: 'there is nothing to learn from the unquantized model',
    where: 'distill',
    got: 'a model without a classifier',
    expected: 'one that was fine-tuned, or no distillation',
  });
}
