import { footprintOf } from '../quant/footprint.js';
import { planId, resolvePlan, uniformPlan, type ResolvedPlan } from '../quant/plan.js';
import { affineMinMax, UNQUANTIZED_BITS, type Scheme } from '../quant/scheme.js';
import { comparePaired, type PairedComparison } from '../tasks/statistics.js';
import type { Measurement, Task } from '../tasks/task.js';
import { ModelError } from '../util/errors.js';
import type { ProgressListener, RunOptions } from '../util/progress.js';
import { PlanApplier } from './apply-plan.js';
import type { OpenModel } from './inputs.js';

/** The paper's precision list B, from high to low. */
export const PRECISION_LIST = [16, 14, 12, 10, 8, 6, 4] as const;

/** A plan on a task: what it costs and what it weighs. */
export interface UniformPoint {
  /** Bits a weight; 32 is the unquantized model. */
  readonly bits: number;
  /** {@link planId} */
  readonly plan: string;
  /** Footprint of all parameters in use, scales and zero points included. */
  readonly bytes: number;
  /** Share of the unquantized model's bytes that is saved, [0, 1]; negative where a plan adds bytes. */
  readonly saving: number;
  /** Absent where the model broke: its outputs were not finite. */
  readonly measurement?: Measurement;
  /** Why there is no measurement. */
  readonly failure?: string;
  /** Against the unquantized model, item by item; absent for the baseline itself. */
  readonly comparison?: PairedComparison;
}

export interface UniformRun {
  readonly model: string;
  readonly task: Task;
  /** The baseline first, then the widths in the order asked for. */
  readonly points: readonly UniformPoint[];
}

export interface UniformOptions extends RunOptions {
  /** Widths to measure beside the baseline; default {@link PRECISION_LIST}. */
  readonly bits?: readonly number[];
  /** What a width means for each matrix; default per tensor, affine, min–max widened to hold 0. */
  readonly makeScheme?: (bits: number) => Scheme;
}

/**
 * Measures a model unquantized and with every matrix at one bit width, for each width; vectors stay in
 * float32. The model has its own weights again at the end, also after a failure.
 *
 * @throws {AbortedError} between batches. What the unquantized model throws on the task is passed on; a
 *   width at which outputs are not finite becomes a point without measurement.
 */
export async function runUniform(
  { name, model, checkpoint, hierarchy }: OpenModel,
  task: Task,
  { bits = PRECISION_LIST, makeScheme = affineMinMax, onProgress, signal }: UniformOptions = {},
): Promise<UniformRun> {
  const widths = [UNQUANTIZED_BITS, ...bits.filter((width) => width !== UNQUANTIZED_BITS)];
  const applier = new PlanApplier(model, checkpoint);
  const options = (index: number): RunOptions => ({
    ...(signal && { signal }),
    ...(onProgress && { onProgress: partOf(onProgress, name, widths, index) }),
  });
  const points: UniformPoint[] = [];
  try {
    for (const [index, width] of widths.entries()) {
      const plan = resolvePlan(uniformPlan(width, makeScheme), hierarchy, model.config);
      await applier.apply(plan, options(index));
      const outcome = await measure(task, model, width, options(index));
      points.push(describe(width, plan, outcome, points.at(0)?.measurement));
    }
  } finally {
    await applier.restore();
  }
  return { model: name, task, points };

  function describe(
    width: number,
    plan: ResolvedPlan,
    outcome: Outcome,
    baseline: Measurement | undefined,
  ): UniformPoint {
    const bytes = footprintOf(hierarchy, plan).total;
    const { measurement } = outcome;
    return {
      bits: width,
      plan: planId(plan),
      bytes,
      saving: 1 - bytes / hierarchy.fp32Bytes,
      ...outcome,
      ...(measurement && baseline && { comparison: comparePaired(baseline, measurement) }),
    };
  }
}

type Outcome = Pick<UniformPoint, 'measurement' | 'failure'>;

async function measure(
  task: Task,
  model: OpenModel['model'],
  width: number,
  options: RunOptions,
): Promise<Outcome> {
  try {
    return { measurement: await task.evaluate(model, options) };
  } catch (error) {
    if (width === UNQUANTIZED_BITS || !(error instanceof ModelError)) throw error;
    return { failure: error.message };
  }
}

/** Progress of one width as a part of the whole run: one bar, one estimate of the time left. */
function partOf(
  listener: ProgressListener,
  model: string,
  widths: readonly number[],
  index: number,
): ProgressListener {
  const width = widths[index] === UNQUANTIZED_BITS ? 'fp32' : `${widths[index]} bits`;
  return ({ done, total, unit, note }) => {
    listener({
      phase: model,
      done: index * total + done,
      total: widths.length * total,
      unit,
      note: note === undefined ? width : `${width}: ${note}`,
    });
  };
}
