import type { Checkpoint } from '../../checkpoint/types.js';
import type { FiringRates } from '../../energy/accounting.js';
import { LoadedModel } from '../../model/loaded-model.js';
import { observe } from '../../model/observe.js';
import type { ModelDescription } from '../../model/structure.js';
import { planId, type ResolvedPlan } from '../../quant/plan.js';
import type { Task } from '../../tasks/task.js';
import { throwIfAborted } from '../../util/errors.js';
import { yieldToEvents, type RunOptions } from '../../util/progress.js';
import { PlanApplier } from '../scoring/plan-applier.js';
import { observedItems, type ObservedBatch } from './observed-items.js';

/** The model that is looked into. */
interface Subject extends ModelDescription {
  readonly checkpoint: Checkpoint;
}

/** Path of a spiking layer → share of its values that are spikes at each of its time steps, [0, 1]. */
export type StepRates = ReadonlyMap<string, readonly number[]>;

/** Firing rates of a plan: of layers as a whole, and step by step. */
export interface MeasuredRates {
  readonly rates: FiringRates;
  readonly perStep: StepRates;
}

/** {@link measureStepRates} of the layers as a whole. */
export async function measureFiringRates(
  ...args: Parameters<typeof measureStepRates>
): Promise<FiringRates[]> {
  return (await measureStepRates(...args)).map(({ rates }) => rates);
}

/**
 * The firing rate of every spiking layer, the embedding included where it spikes, under one plan after
 * another: the share of values that are not 0 on the first items of a task (as in `observedItems`), padding
 * left out. Loads the weights onto the running backend, and frees them.
 *
 * @returns rates in the order of the plans.
 * @throws {CheckpointError} as loading does. {AbortedError} between batches.
 */
export async function measureStepRates(
  { checkpoint, ...description }: Subject,
  task: Task,
  plans: readonly ResolvedPlan[],
  options: RunOptions = {},
): Promise<MeasuredRates[]> {
  const model = await LoadedModel.load(checkpoint, { description });
  try {
    const applier = new PlanApplier(model, checkpoint);
    const { batches } = observedItems(task, description.config.vocabSize);
    // Cases often select the same plan; it is measured once.
    const found = new Map<string, MeasuredRates>();
    for (const [done, plan] of plans.entries()) {
      if (found.has(planId(plan))) continue;
      options.onProgress?.({ phase: 'firing rates', done, total: plans.length, unit: 'plans' });
      await applier.apply(plan, options);
      const counts = new Map<string, Count[]>();
      for (const batch of batches) {
        throwIfAborted(options.signal, 'firing rates');
        await countBatch(model, batch, counts);
        await yieldToEvents();
      }
      found.set(planId(plan), ratesOf(counts));
    }
    return plans.map((plan) => found.get(planId(plan))!);
  } finally {
    model.dispose();
  }
}

function ratesOf(counts: ReadonlyMap<string, readonly Count[]>): MeasuredRates {
  const total = (steps: readonly Count[], part: keyof Count): number =>
    steps.reduce((sum, step) => sum + step[part], 0);
  const layers = [...counts];
  return {
    rates: new Map(
      layers.map(([layer, steps]) => [layer, total(steps, 'spikes') / total(steps, 'all')]),
    ),
    perStep: new Map(
      layers.map(([layer, steps]) => [layer, steps.map(({ spikes, all }) => spikes / all)]),
    ),
  };
}

/** Of one time step. */
interface Count {
  spikes: number;
  all: number;
}

/** @param counts by spiking layer, in network order; those of this batch are added */
async function countBatch(
  model: LoadedModel,
  batch: ObservedBatch,
  counts: Map<string, Count[]>,
): Promise<void> {
  const { spikes } = await observe(model, batch.inputs, { spikes: true, embedding: true });
  for (const { layer, spikes: values } of spikes!) {
    const steps =
      counts.get(layer.path) ??
      Array.from({ length: layer.steps ?? 1 }, (): Count => ({ spikes: 0, all: 0 }));
    countSpikes(values, batch, steps);
    counts.set(layer.path, steps);
  }
}

/** @param values of a layer, [rows, time, steps * channels] */
function countSpikes(
  values: Int8Array,
  { inputs: { batch, time }, lengths }: ObservedBatch,
  steps: readonly Count[],
): void {
  const channels = values.length / (batch * time * steps.length);
  for (let row = 0; row < batch; row++) {
    let at = row * time * steps.length * channels;
    for (let token = 0; token < lengths[row]; token++)
      for (const step of steps) {
        for (const end = at + channels; at < end; at++) step.spikes += Math.abs(values[at]);
        step.all += channels;
      }
  }
}
