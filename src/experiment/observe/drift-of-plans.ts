import { LoadedModel } from '../../model/loaded-model.js';
import { requireMembranes } from '../../model/observe.js';
import type { Foresee } from '../../search/gate.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Study } from '../open/study.js';
import { PlanApplier } from '../scoring/plan-applier.js';
import { driftItems, DriftMeter } from './membrane-drift.js';

/** Drifts of plans, remembered while it is open. */
export interface DriftOfPlans {
  readonly driftOf: Foresee;
  /** The items that they are taken from. */
  readonly observed: string;
  /** Work so far; `seconds` on the clock, loading the weights included. */
  readonly work: () => { readonly computed: number; readonly seconds: number };
  /** Frees the weights. */
  readonly close: () => Promise<void>;
}

/**
 * The mean membrane drift of plans of a study, with weights of its own beside those of the evaluator.
 *
 * @throws {ModelError} for a family whose membranes are not known.
 */
export function openDrift({ task, options: { file } }: Study, space: ModelSpace): DriftOfPlans {
  requireMembranes({ description: file });
  const items = driftItems(task, file.config.vocabSize);
  const known = new Map<string, number>();
  let opened: Promise<{ model: LoadedModel; meter: DriftMeter }> | undefined;
  let milliseconds = 0;
  const open = async (): Promise<{ model: LoadedModel; meter: DriftMeter }> => {
    const model = await LoadedModel.load(file.checkpoint, { description: file });
    return {
      model,
      meter: new DriftMeter(model, new PlanApplier(model, file.checkpoint), items.batches),
    };
  };
  return {
    driftOf: async (assignment, signal) => {
      const seen = known.get(assignment.key);
      if (seen !== undefined) return seen;
      const start = performance.now();
      const { meter } = await (opened ??= open());
      const { mean } = await meter.measure(space.resolve(assignment), {
        ...(signal && { signal }),
      });
      milliseconds += performance.now() - start;
      known.set(assignment.key, mean);
      return mean;
    },
    observed: items.description,
    work: () => ({ computed: known.size, seconds: milliseconds / 1000 }),
    close: async () => {
      (await opened?.catch(() => undefined))?.model.dispose();
      opened = undefined;
    },
  };
}
