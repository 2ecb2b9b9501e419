import type { Hierarchy } from '../../layout/hierarchy.js';
import { footprintOf } from '../../quant/footprint.js';
import { planId, resolvePlan, type Plan, type ResolvedPlan } from '../../quant/plan.js';
import {
  comparePaired,
  type Measurement,
  type PairedComparison,
} from '../../tasks/metrics/metrics.js';
import type { Task } from '../../tasks/task.js';
import { ModelError } from '../../util/errors.js';
import { mapInFlight, type ProgressListener, type RunOptions } from '../../util/progress.js';
import type { OpenModel } from '../open/model-file.js';
import { PlanApplier } from '../scoring/plan-applier.js';

/** A plan and its name: "8 bits". */
export interface NamedPlan {
  readonly name: string;
  readonly plan: Plan;
}

/** A plan on a task: its metric and its footprint. */
export interface PlanPoint {
  readonly name: string;
  /** {@link planId} */
  readonly plan: string;
  /** Footprint of all parameters in use, scales and zero points included. */
  readonly bytes: number;
  /** Share of the unquantized model's bytes that is saved, at most 1; negative where a plan adds bytes. */
  readonly saving: number;
  /** Absent where the model broke: its outputs were not finite. */
  readonly measurement?: Measurement;
  /** The reason why there is no measurement. */
  readonly failure?: string;
  /** Against the unquantized model, item by item; absent for the baseline itself. */
  readonly comparison?: PairedComparison;
}

/** The unquantized model. */
export const BASELINE: NamedPlan = { name: 'fp32', plan: new Map() };

/** A model on some data, to measure plans with. A study gives one, and {@link inThisThread}. */
export interface Measurable {
  /** Of the model. */
  readonly name: string;
  readonly hierarchy: Hierarchy;
  /** Plans that may be measured at once; one by default. */
  readonly inFlight?: () => number;
  /** @throws {ModelError} where outputs are not finite */
  measure(plan: ResolvedPlan, bytes: number, options?: RunOptions): Promise<Measurement>;
}

/**
 * Measures a model unquantized, then under each plan.
 *
 * @returns the baseline, then a point for each plan, in their order.
 * @throws {QuantError} for a plan that does not fit the model, before anything is measured.
 * @throws {AbortedError} between batches. What the unquantized model throws on the task is passed on; a
 *   plan under which outputs are not finite gives a point without measurement.
 */
export async function measurePlans(
  subject: Measurable,
  plans: readonly NamedPlan[],
  { onProgress, signal }: RunOptions = {},
): Promise<PlanPoint[]> {
  const { name: phase, hierarchy } = subject;
  const named = [BASELINE, ...plans];
  const resolved = named.map(({ plan }) => resolvePlan(plan, hierarchy));
  const told = onProgress && partsOf(onProgress, phase, named.length);
  let baseline: Measurement | undefined;
  const pointOf = async ({ name }: NamedPlan, index: number): Promise<PlanPoint> => {
    const schemes = resolved[index];
    const bytes = footprintOf(hierarchy, schemes).total;
    const point = { name, plan: planId(schemes), bytes, saving: 1 - bytes / hierarchy.fp32Bytes };
    try {
      const measurement = await subject.measure(schemes, bytes, {
        ...(signal && { signal }),
        ...(told && { onProgress: told(name, index) }),
      });
      const comparison = baseline && comparePaired(baseline, measurement);
      baseline ??= measurement;
      return { ...point, measurement, ...(comparison && { comparison }) };
    } catch (error) {
      if (baseline === undefined || !(error instanceof ModelError)) throw error;
      return { ...point, failure: error.message };
    }
  };
  // The others are compared with the first.
  const atOnce = (): number => (baseline === undefined ? 1 : (subject.inFlight?.() ?? 1));
  return mapInFlight(named, atOnce, pointOf);
}

/**
 * Measures with a loaded model, in the calling thread. The model has its own weights again at the end, also
 * after a failure.
 */
export async function inThisThread<T>(
  open: Pick<OpenModel, 'name' | 'model' | 'checkpoint' | 'hierarchy'>,
  task: Task,
  work: (subject: Measurable) => Promise<T>,
): Promise<T> {
  const { name, model, checkpoint, hierarchy } = open;
  const applier = new PlanApplier(model, checkpoint);
  try {
    return await work({
      name,
      hierarchy,
      measure: async (plan, _bytes, options = {}) => {
        await applier.apply(plan, options);
        return task.evaluate(model, options);
      },
    });
  } finally {
    await applier.restore();
  }
}

/** Progress of each plan as a part of the whole run: one bar, one estimate of the time left. */
function partsOf(
  listener: ProgressListener,
  phase: string,
  plans: number,
): (label: string, index: number) => ProgressListener {
  /** Units done of each plan. */
  const units = Array.from({ length: plans }, () => 0);
  return (label, index) =>
    ({ done, total, unit, note: figure }) => {
      units[index] = done;
      const note = figure === undefined ? label : `${label}: ${figure}`;
      const whole = units.reduce((sum, each) => sum + each, 0);
      listener({ phase, done: whole, total: plans * total, unit, note });
    };
}
