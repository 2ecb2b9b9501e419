import { footprintOf } from '../../quant/footprint.js';
import { planId, resolvePlan, type Plan } from '../../quant/plan.js';
import { comparePaired, type PairedComparison } from '../../tasks/statistics/paired.js';
import type { Measurement, Task } from '../../tasks/task.js';
import { ModelError } from '../../util/errors.js';
import type { ProgressListener, RunOptions } from '../../util/progress.js';
import { PlanApplier } from '../scoring/plan-applier.js';
import type { OpenModel } from '../open/model-file.js';

/** A plan and what to call it: "8 bits". */
export interface NamedPlan {
  readonly name: string;
  readonly plan: Plan;
}

/** A plan on a task: what it costs and what it weighs. */
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
  /** Why there is no measurement. */
  readonly failure?: string;
  /** Against the unquantized model, item by item; absent for the baseline itself. */
  readonly comparison?: PairedComparison;
}

/** What the unquantized model is called. */
export const BASELINE: NamedPlan = { name: 'fp32', plan: new Map() };

/** What a measurement is made of: a model, the plans to try, and the data. */
export type Subject = Pick<OpenModel, 'name' | 'model' | 'checkpoint' | 'hierarchy'>;

/**
 * Measures a model unquantized, then under each plan. The model has its own weights again at the end,
 * also after a failure.
 *
 * @returns the baseline, then a point for each plan, in their order.
 * @throws {QuantError} for a plan that does not fit the model, before anything is measured.
 * @throws {AbortedError} between batches. What the unquantized model throws on the task is passed on; a
 *   plan under which outputs are not finite gives a point without measurement.
 */
export async function measurePlans(
  { name, model, checkpoint, hierarchy }: Subject,
  task: Task,
  plans: readonly NamedPlan[],
  { onProgress, signal }: RunOptions = {},
): Promise<PlanPoint[]> {
  const resolved = [BASELINE, ...plans].map((named) => ({
    name: named.name,
    schemes: resolvePlan(named.plan, hierarchy),
  }));
  const applier = new PlanApplier(model, checkpoint);
  const points: PlanPoint[] = [];
  try {
    for (const [index, { name: label, schemes }] of resolved.entries()) {
      const options = {
        ...(signal && { signal }),
        ...(onProgress && {
          onProgress: partOf(onProgress, name, label, index, resolved.length),
        }),
      };
      await applier.apply(schemes, options);
      const outcome = await measure(task, model, index === 0, options);
      const bytes = footprintOf(hierarchy, schemes).total;
      points.push({
        name: label,
        plan: planId(schemes),
        bytes,
        saving: 1 - bytes / hierarchy.fp32Bytes,
        ...outcome,
        ...compare(points.at(0), outcome),
      });
    }
  } finally {
    await applier.restore();
  }
  return points;
}

type Outcome = Pick<PlanPoint, 'measurement' | 'failure'>;

async function measure(
  task: Task,
  model: OpenModel['model'],
  isBaseline: boolean,
  options: RunOptions,
): Promise<Outcome> {
  try {
    return { measurement: await task.evaluate(model, options) };
  } catch (error) {
    if (isBaseline || !(error instanceof ModelError)) throw error;
    return { failure: error.message };
  }
}

function compare(
  baseline: PlanPoint | undefined,
  { measurement }: Outcome,
): Pick<PlanPoint, 'comparison'> {
  if (baseline?.measurement === undefined || measurement === undefined) return {};
  return { comparison: comparePaired(baseline.measurement, measurement) };
}

/** Progress of one plan as a part of the whole run: one bar, one estimate of the time left. */
function partOf(
  listener: ProgressListener,
  phase: string,
  label: string,
  index: number,
  plans: number,
): ProgressListener {
  return ({ done, total, unit, note }) => {
    listener({
      phase,
      done: index * total + done,
      total: plans * total,
      unit,
      note: note === undefined ? label : `${label}: ${note}`,
    });
  };
}
