import type { Checkpoint } from '../../checkpoint/types.js';
import { spikingLayers } from '../../energy/operations.js';
import type { FiringRates } from '../../energy/accounting.js';
import type { SpikeProbe } from '../../model/spikegpt/block.js';
import type { ConfigReport } from '../../model/spikegpt/config.js';
import { SpikeGPT } from '../../model/spikegpt/model.js';
import { planId, type ResolvedPlan } from '../../quant/plan.js';
import type { Task } from '../../tasks/task.js';
import { throwIfAborted } from '../../util/errors.js';
import { breathe, type RunOptions } from '../../util/progress.js';
import { PlanApplier } from '../scoring/plan-applier.js';
import { observedItems, type ObservedBatch } from './observed-items.js';

/** The model that is looked into. */
interface Subject {
  readonly checkpoint: Checkpoint;
  readonly report: ConfigReport;
}

/**
 * The firing rate of every spiking layer, the embedding included where it spikes, under one plan after
 * another: the share of ones on the first items of a task (as in `observedItems`), padding left out.
 * Loads the weights onto the running backend, and frees them.
 *
 * @returns rates in the order of the plans.
 * @throws {CheckpointError} as loading does. {AbortedError} between batches.
 */
export async function measureFiringRates(
  { checkpoint, report: { config } }: Subject,
  task: Task,
  plans: readonly ResolvedPlan[],
  { onProgress, signal }: RunOptions = {},
): Promise<FiringRates[]> {
  const { embedding, contextLength } = config;
  const model = await SpikeGPT.load(checkpoint, { embedding, contextLength });
  try {
    const applier = new PlanApplier(model, checkpoint);
    const { batches } = observedItems(task, config.vocabSize);
    // Cases often select the same plan; what it does is measured once.
    const found = new Map<string, FiringRates>();
    for (const [done, plan] of plans.entries()) {
      if (found.has(planId(plan))) continue;
      onProgress?.({ phase: 'firing rates', done, total: plans.length, unit: 'plans' });
      await applier.apply(plan, { ...(signal && { signal }) });
      const counts = new Map(spikingLayers(config).map((layer) => [layer, { ones: 0, all: 0 }]));
      for (const batch of batches) {
        throwIfAborted(signal, 'firing rates');
        countBatch(model, batch, [...counts.values()]);
        await breathe();
      }
      const rates = [...counts].map(([layer, { ones, all }]) => [layer, ones / all] as const);
      found.set(planId(plan), new Map(rates));
    }
    return plans.map((plan) => found.get(planId(plan))!);
  } finally {
    model.dispose();
  }
}

interface Count {
  ones: number;
  all: number;
}

/** @param counts of the spiking layers, in network order. */
function countBatch(model: SpikeGPT, batch: ObservedBatch, counts: readonly Count[]): void {
  const waiting = [...counts];
  const embedded = model.embed(batch.inputs);
  try {
    if (model.config.embedding === 'spike')
      countOnes(embedded.dataSync<'float32'>(), batch, waiting.shift()!);
    const probe: SpikeProbe = (_block, _module, spikes) => {
      countOnes(spikes.dataSync<'float32'>(), batch, waiting.shift()!);
    };
    model.runStages(embedded, 0, model.stages, { probe }).dispose();
  } finally {
    embedded.dispose();
  }
}

/** @param values 0 or 1, [rows, time, channels] */
function countOnes(
  values: Float32Array,
  { inputs: { batch, time }, lengths }: ObservedBatch,
  count: Count,
): void {
  const channels = values.length / (batch * time);
  for (let row = 0; row < batch; row++) {
    const from = row * time * channels;
    const to = from + lengths[row] * channels;
    for (let at = from; at < to; at++) count.ones += values[at];
    count.all += to - from;
  }
}
