import type { Checkpoint } from '../../checkpoint/types.js';
import { LoadedModel } from '../../model/loaded-model.js';
import { observe } from '../../model/observe.js';
import type { ModelDescription } from '../../model/structure.js';
import { simulatedMatrix, type WeightSource } from '../../quant/matrix-values.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import { UNQUANTIZED_BITS } from '../../quant/scheme/scheme.js';
import type { Task } from '../../tasks/task.js';
import { throwIfAborted } from '../../util/errors.js';
import { yieldToEvents, type RunOptions } from '../../util/progress.js';
import { PlanApplier } from '../scoring/plan-applier.js';
import { klDivergence } from './divergence.js';
import { driftItems, DriftMeter } from './membrane-drift.js';
import type { ObservedBatch, ObservedItems } from './observed-items.js';

/** The effects of a plan inside the model, beside the task's metric. */
export interface Observables {
  /**
   * Mean KL divergence of the outputs from the unquantized model's, in nats: of next-token distributions
   * over scored positions, or of class distributions over sentences.
   */
  readonly klDivergence: number;
  /** Share of all spiking layers' values after the embedding that differ from the unquantized model's. */
  readonly flipRate: number;
  /**
   * Signal-to-quantization-noise ratio of the plan's quantized matrices together, 10 · log10(Σ w² /
   * Σ (w − w')²), in dB; infinite where nothing is lost.
   */
  readonly sqnr: number;
  /**
   * Relative distance of the membranes' potentials from the unquantized model's, of {@link driftItems} and a
   * sample of channels, the mean over layers; absent for a family whose network does not tell of its neurons.
   */
  readonly membraneDrift?: number;
}

/** Names of {@link Observables}. */
export const OBSERVABLES = ['klDivergence', 'flipRate', 'sqnr', 'membraneDrift'] as const;

/** Raise when the meaning of an observable changes: stored ones of before do not count. */
export const OBSERVABLES_VERSION = 1;

/** Those that a family can be asked for. */
export function observablesOf({
  family,
}: Pick<ModelDescription, 'family'>): (typeof OBSERVABLES)[number][] {
  return OBSERVABLES.filter((name) => name !== 'membraneDrift' || family.membranes === true);
}

/** Outputs and spikes of the unquantized model for a batch. */
interface Reference {
  readonly outputs: Float32Array;
  readonly spikes: readonly Int8Array[];
}

export interface ObserverOptions {
  readonly checkpoint: Checkpoint & WeightSource;
  readonly description: ModelDescription;
  readonly task: Task;
  readonly items: ObservedItems;
}

/**
 * Looks into a model under one plan after another, on some items of a task, in this thread. Keeps the unquantized
 * model's outputs and spikes.
 */
export class Observer {
  private readonly drift: DriftMeter | undefined;
  private references: readonly Reference[] | undefined;

  /** @param applier of a model that others may use too, between two plans */
  constructor(
    private readonly model: LoadedModel,
    private readonly checkpoint: Checkpoint & WeightSource,
    private readonly applier: PlanApplier,
    private readonly task: Task,
    private readonly batches: readonly ObservedBatch[],
  ) {
    if (model.description.family.membranes === true)
      this.drift = new DriftMeter(model, this.applier, driftItems(task, model.vocabSize).batches);
  }

  /** Loads the weights onto the running backend. @throws {CheckpointError} as loading does. */
  static async open({ checkpoint, description, task, items }: ObserverOptions): Promise<Observer> {
    const model = await LoadedModel.load(checkpoint, { description });
    const applier = new PlanApplier(model, checkpoint);
    return new Observer(model, checkpoint, applier, task, items.batches);
  }

  /** The observables of a plan. @throws {AbortedError} between batches. */
  async measure(plan: ResolvedPlan, options: RunOptions = {}): Promise<Observables> {
    this.references ??= await this.observeAll(new Map(), options);
    const found = await this.observeAll(plan, options);
    const { classes, vocabSize } = this.model;
    const count = classes > 0 ? classes : vocabSize;
    let [divergence, distributions, flips, values] = [0, 0, 0, 0];
    for (const [index, { outputs, spikes }] of found.entries()) {
      const reference = this.references[index];
      for (let at = 0; at < outputs.length; at += count) {
        divergence += klDivergence(reference.outputs, at, outputs, at, count);
        distributions++;
      }
      for (const [layer, fired] of spikes.entries()) {
        flips += countDifferent(reference.spikes[layer], fired);
        values += fired.length;
      }
      await yieldToEvents();
    }
    const drift = await this.drift?.measure(plan, options);
    return {
      klDivergence: divergence / distributions,
      flipRate: flips / values,
      sqnr: await this.sqnrOf(plan),
      ...(drift && { membraneDrift: drift.mean }),
    };
  }

  private async observeAll(plan: ResolvedPlan, options: RunOptions): Promise<Reference[]> {
    await this.applier.apply(plan, options);
    const found: Reference[] = [];
    for (const batch of this.batches) {
      throwIfAborted(options.signal, 'observation');
      found.push(await this.observeBatch(batch));
      await yieldToEvents();
    }
    return found;
  }

  private async observeBatch(batch: ObservedBatch): Promise<Reference> {
    const { pooling } = this.task;
    const { logits, classLogits, spikes } = await observe(this.model, batch.inputs, {
      spikes: true,
      ...(this.model.classes > 0 ? { classLengths: batch.lengths } : { logits: true }),
      ...(pooling && { pooling }),
    });
    return {
      outputs: classLogits ?? positionsOf(logits!, batch, batch.scoredFrom, batch.scoredTo),
      spikes: spikes!.map(({ spikes }) =>
        positionsOf(spikes, batch, new Int32Array(batch.inputs.batch), batch.lengths),
      ),
    };
  }

  private async sqnrOf(plan: ResolvedPlan): Promise<number> {
    let [signal, noise] = [0, 0];
    for (const [name, scheme] of plan) {
      // By its sign an embedding is stored without loss: of it the model reads nothing else.
      if (scheme.bits === UNQUANTIZED_BITS || scheme.method === 'sign') continue;
      const values = await this.checkpoint.readFloat32(name);
      const simulated = await simulatedMatrix(this.checkpoint, name, scheme, values);
      for (let i = 0; i < values.length; i++) {
        signal += values[i] * values[i];
        noise += (values[i] - simulated[i]) ** 2;
      }
    }
    return noise === 0 ? Infinity : 10 * Math.log10(signal / noise);
  }

  /** Frees the weights. */
  close(): void {
    this.model.dispose();
  }
}

/** The values of some positions of each row, joined: of [rows, time, channels], channels from the size. */
function positionsOf<T extends Float32Array | Int8Array>(
  values: T,
  { inputs: { batch, time } }: ObservedBatch,
  from: Int32Array,
  to: Int32Array,
): T {
  const channels = values.length / (batch * time);
  const rows = [...from.keys()];
  const size = rows.reduce((sum, row) => sum + (to[row] - from[row]) * channels, 0);
  const joined = values.slice(0, size) as T; // of the same type, to be overwritten
  let at = 0;
  for (const row of rows) {
    const [first, end] = [row * time + from[row], row * time + to[row]];
    joined.set(values.subarray(first * channels, end * channels), at);
    at += (end - first) * channels;
  }
  return joined;
}

function countDifferent(a: Int8Array, b: Int8Array): number {
  let different = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) different++;
  return different;
}
