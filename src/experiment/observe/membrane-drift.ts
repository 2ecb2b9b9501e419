import type { LoadedModel } from '../../model/loaded-model.js';
import { observe, requireMembranes } from '../../model/observe.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import type { Task } from '../../tasks/task.js';
import { throwIfAborted } from '../../util/errors.js';
import { yieldToEvents, type RunOptions } from '../../util/progress.js';
import type { PlanApplier } from '../scoring/plan-applier.js';
import {
  observedItems,
  OBSERVED_LIMITS,
  type ObservedBatch,
  type ObservedItems,
} from './observed-items.js';

/** Raise when the meaning of the drift changes: stored ones of before do not count. */
export const DRIFT_VERSION = 1;

/** 16 sentences, or as many windows of a text as 1,024 positions hold, at least one. */
export const DRIFT_LIMITS = {
  ...OBSERVED_LIMITS,
  sentences: 16,
  positions: 1024,
  logitBytes: Infinity,
};

/** The part of a task that membranes are looked at for. */
export function driftItems(task: Task, vocabSize: number): ObservedItems {
  return observedItems(task, vocabSize, DRIFT_LIMITS);
}

/** Distance of membrane potentials from those of the unquantized model. */
export interface MembraneDrift {
  /** The mean over spiking layers that have neurons. */
  readonly mean: number;
  /** Of each, in network order, by path: √(Σ (u' − u)² / Σ u²), over tokens, time steps and sampled channels. */
  readonly layers: ReadonlyMap<string, number>;
}

/** Potentials of a batch, of each layer: real positions alone. */
interface Potentials {
  readonly paths: readonly string[];
  readonly values: readonly Float32Array[];
}

/**
 * Measures {@link MembraneDrift} under one plan after another with a model's weights. Keeps the potentials of
 * the unquantized model, of at most 256 values a position and layer (8 channels where there are more than 32
 * time steps).
 */
export class DriftMeter {
  private references: readonly Potentials[] | undefined;

  /** @throws {ModelError} for a family whose membranes are not known. */
  constructor(
    private readonly model: LoadedModel,
    private readonly applier: PlanApplier,
    private readonly batches: readonly ObservedBatch[],
  ) {
    requireMembranes(model);
  }

  /** @throws {AbortedError} between batches. */
  async measure(plan: ResolvedPlan, options: RunOptions = {}): Promise<MembraneDrift> {
    this.references ??= await this.potentials(new Map(), options);
    const found = await this.potentials(plan, options);
    const sums = new Map<string, { signal: number; moved: number }>();
    for (const [index, { paths, values }] of found.entries())
      for (const [layer, path] of paths.entries()) {
        const sum = sums.get(path) ?? { signal: 0, moved: 0 };
        addSquares(this.references[index].values[layer], values[layer], sum);
        sums.set(path, sum);
      }
    const layers = new Map([...sums].map(([path, sum]) => [path, relative(sum)]));
    const total = [...layers.values()].reduce((sum, drift) => sum + drift, 0);
    return { mean: total / layers.size, layers };
  }

  private async potentials(plan: ResolvedPlan, options: RunOptions): Promise<Potentials[]> {
    await this.applier.apply(plan, options);
    const found: Potentials[] = [];
    for (const batch of this.batches) {
      throwIfAborted(options.signal, 'membrane drift');
      const { membranes } = await observe(this.model, batch.inputs, { membranes: true });
      found.push({
        paths: membranes!.map(({ layer }) => layer.path),
        values: membranes!.map(({ potentials }) => withoutPadding(potentials, batch)),
      });
      await yieldToEvents();
    }
    return found;
  }
}

/** A layer that never moves and is at rest throughout has drifted by nothing. */
function relative({ signal, moved }: { signal: number; moved: number }): number {
  return moved === 0 ? 0 : Math.sqrt(moved / signal);
}

function addSquares(
  before: Float32Array,
  after: Float32Array,
  sum: { signal: number; moved: number },
): void {
  for (let i = 0; i < before.length; i++) {
    sum.signal += before[i] * before[i];
    sum.moved += (after[i] - before[i]) ** 2;
  }
}

/** Of values [rows, time, …] those of real positions, row after row. */
function withoutPadding(
  values: Float32Array,
  { inputs: { batch, time }, lengths }: ObservedBatch,
): Float32Array {
  const size = values.length / (batch * time);
  const kept = new Float32Array(lengths.reduce((sum, length) => sum + length, 0) * size);
  let at = 0;
  for (const [row, length] of lengths.entries()) {
    kept.set(values.subarray(row * time * size, (row * time + length) * size), at);
    at += length * size;
  }
  return kept;
}
