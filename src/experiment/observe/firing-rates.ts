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

/**
 * The firing rate of every spiking layer, the embedding included where it spikes, under one plan after
 * another: the share of values that are not 0 on the first items of a task (as in `observedItems`), padding
 * left out. Loads the weights onto the running backend, and frees them.
 *
 * @returns rates in the order of the plans.
 * @throws {CheckpointError} as loading does. {AbortedError} between batches.
 */
export async function measureFiringRates(
  { checkpoint, ...description }: Subject,
  task: Task,
  plans: readonly ResolvedPlan[],
  options: RunOptions = {},
): Promise<FiringRates[]> {
  const model = await LoadedModel.load(checkpoint, { description });
  try {
    const applier = new PlanApplier(model, checkpoint);
    const { batches } = observedItems(task, description.config.vocabSize);
    // Cases often select the same plan; it is measured once.
    const found = new Map<string, FiringRates>();
    for (const [done, plan] of plans.entries()) {
      if (found.has(planId(plan))) continue;
      options.onProgress?.({ phase: 'firing rates', done, total: plans.length, unit: 'plans' });
      await applier.apply(plan, options);
      const counts = new Map<string, Count>();
      for (const batch of batches) {
        throwIfAborted(options.signal, 'firing rates');
        await countBatch(model, batch, counts);
        await yieldToEvents();
      }
      const rates = [...counts].map(([layer, { spikes, all }]) => [layer, spikes / all] as const);
      found.set(planId(plan), new Map(rates));
    }
    return plans.map((plan) => found.get(planId(plan))!);
  } finally {
    model.dispose();
  }
}

interface Count {
  spikes: number;
  all: number;
}

/** @param counts by spiking layer, in network order; those of this batch are added */
async function countBatch(
  model: LoadedModel,
  batch: ObservedBatch,
  counts: Map<string, Count>,
): Promise<void> {
  const { spikes } = await observe(model, batch.inputs, { spikes: true, embedding: true });
  for (const { layer, spikes: values } of spikes!) {
    const count = counts.get(layer.path) ?? { spikes: 0, all: 0 };
    countSpikes(values, batch, count);
    counts.set(layer.path, count);
  }
}

/** @param values of a layer, [rows, time, channels] */
function countSpikes(
  values: Int8Array,
  { inputs: { batch, time }, lengths }: ObservedBatch,
  count: Count,
): void {
  const channels = values.length / (batch * time);
  for (let row = 0; row < batch; row++) {
    const from = row * time * channels;
    const to = from + lengths[row] * channels;
    for (let at = from; at < to; at++) count.spikes += Math.abs(values[at]);
    count.all += to - from;
  }
}
