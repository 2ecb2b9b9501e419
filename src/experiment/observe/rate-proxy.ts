import { LoadedModel, requireRateProxy } from '../../model/loaded-model.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import { throwIfAborted } from '../../util/errors.js';
import { yieldToEvents, type RunOptions } from '../../util/progress.js';
import type { Study } from '../open/study.js';
import { PlanApplier } from '../scoring/plan-applier.js';
import { klDivergence } from './divergence.js';
import { observedItems, type ObservedBatch } from './observed-items.js';

/**
 * The change that a plan makes to the one-pass approximation of a model by firing rates: for ordering candidates,
 * never for deciding about one. Loads weights of its own.
 */
export class RateProxy {
  private references: readonly Float32Array[] | undefined;

  private constructor(
    private readonly model: LoadedModel,
    private readonly applier: PlanApplier,
    private readonly batches: readonly ObservedBatch[],
  ) {}

  /** @throws {ModelError} for a family without one. {CheckpointError} as loading does. */
  static async open({ task, options: { file } }: Study): Promise<RateProxy> {
    // Before the weights are read.
    requireRateProxy(file);
    const model = await LoadedModel.load(file.checkpoint, { description: file });
    const { batches } = observedItems(task, model.vocabSize);
    return new RateProxy(model, new PlanApplier(model, file.checkpoint), batches);
  }

  /**
   * Mean KL divergence of the approximation's class distributions from those that it gives for the unquantized
   * model, in nats, over the first items of the task (as in `observedItems`).
   */
  async divergenceOf(plan: ResolvedPlan, options: RunOptions = {}): Promise<number> {
    this.references ??= await this.logits(new Map(), options);
    const found = await this.logits(plan, options);
    const { classes } = this.model;
    let [sum, count] = [0, 0];
    for (const [index, logits] of found.entries())
      for (let at = 0; at < logits.length; at += classes, count++)
        sum += klDivergence(this.references[index], at, logits, at, classes);
    return sum / count;
  }

  private async logits(plan: ResolvedPlan, options: RunOptions): Promise<Float32Array[]> {
    await this.applier.apply(plan, options);
    const found: Float32Array[] = [];
    for (const { inputs } of this.batches) {
      throwIfAborted(options.signal, 'firing-rate approximation');
      found.push(await this.model.rateLogits(inputs));
      await yieldToEvents();
    }
    return found;
  }

  /** Frees the weights. */
  close(): void {
    this.model.dispose();
  }
}
