import { uniformPlan, type Plan } from '../../quant/plan.js';
import { UNQUANTIZED_BITS } from '../../quant/scheme/scheme.js';
import { formatCounted } from '../../util/format.js';
import type { RunOptions } from '../../util/progress.js';
import { measurePlans, type Measurable, type PlanPoint } from './measure-plans.js';

/** The paper's precision list B, from high to low. */
export const PRECISION_LIST = [16, 14, 12, 10, 8, 6, 4] as const;

/** {@link PlanPoint} of every matrix at one bit width. */
export interface UniformPoint extends PlanPoint {
  /** Bits a weight; 32 is the unquantized model. */
  readonly bits: number;
}

/** The baseline, then the widths. */
export type UniformRun = readonly UniformPoint[];

export interface UniformOptions extends RunOptions {
  /** Widths to measure beside the baseline; default {@link PRECISION_LIST}. */
  readonly bits?: readonly number[];
  /** The plan of a width; default every matrix per tensor, affine, min–max widened to hold 0. */
  readonly makePlan?: (bits: number) => Plan;
}

/**
 * Measures a model unquantized and with every matrix at one bit width, for each width; vectors stay in
 * float32 (the paper's Fig. 2).
 *
 * @returns the baseline (32 bits), then the widths in the order asked for, each once.
 * @throws as {@link measurePlans}.
 */
export async function runUniform(
  subject: Measurable,
  { bits = PRECISION_LIST, makePlan = uniformPlan, ...run }: UniformOptions = {},
): Promise<UniformRun> {
  const widths = [...new Set(bits)].filter((width) => width !== UNQUANTIZED_BITS);
  const plans = widths.map((width) => ({ name: bitsName(width), plan: makePlan(width) }));
  const points = await measurePlans(subject, plans, run);
  return points.map((point, index) => ({
    bits: index === 0 ? UNQUANTIZED_BITS : widths[index - 1],
    ...point,
  }));
}

/** "8 bits", for people. */
export function bitsName(bits: number): string {
  return formatCounted(bits, 'bit');
}
