import type { Checkpoint, CheckpointListing } from '../../src/checkpoint/types.js';
import {
  modelSpace as spaceOf,
  type ModelSpace,
  type ModelSpaceOptions,
} from '../../src/experiment/open/model-space.js';
import {
  Evaluator as AnyEvaluator,
  type EvaluatorOptions,
} from '../../src/experiment/scoring/evaluator.js';
import { hierarchyOf, type Hierarchy } from '../../src/layout/hierarchy.js';
import type { Parameter } from '../../src/layout/layout.js';
import type { StatedConfig } from '../../src/model/config.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { checkParameters as checkAgainst } from '../../src/model/check-parameters.js';
import type { SpikeGPTConfig } from '../../src/model/spikegpt/config.js';
import { SPIKEGPT } from '../../src/model/spikegpt/family.js';
import { spikeGPTLayout } from '../../src/model/spikegpt/layout.js';
import { describeModel, structureOf, type ModelDescription } from '../../src/model/structure.js';

/*
 * The family that most tests are about, in the words that they had before there were families: what is
 * measured here was written down then, and has to stay.
 */

export type { SpikeGPTConfig as ModelConfig } from '../../src/model/spikegpt/config.js';
export { hierarchyOf } from '../../src/layout/hierarchy.js';

/** A model of the family with its weights. */
export type SpikeGPT = LoadedModel<SpikeGPTConfig>;
export const SpikeGPT = {
  load: (checkpoint: Checkpoint, stated: StatedConfig = {}): Promise<SpikeGPT> =>
    LoadedModel.load(checkpoint, { family: SPIKEGPT.id, ...stated }) as Promise<SpikeGPT>,
};

export async function deriveConfig(
  checkpoint: CheckpointListing,
  stated: StatedConfig = {},
): Promise<ModelDescription<SpikeGPTConfig>> {
  const description = await describeModel(checkpoint, { family: SPIKEGPT.id, ...stated });
  return description as ModelDescription<SpikeGPTConfig>;
}

export function parametersOf(config: SpikeGPTConfig): readonly Parameter[] {
  return spikeGPTLayout(config).parameters;
}

export function checkParameters(
  checkpoint: CheckpointListing,
  parameters: readonly Parameter[],
): void {
  checkAgainst(checkpoint, { family: SPIKEGPT, layout: { parameters } });
}

/** The hierarchy of a model of these sizes. */
export function hierarchyFor(config: SpikeGPTConfig): Hierarchy {
  return hierarchyOf(parametersOf(config));
}

/** Whether the embedding spikes is known from the hierarchy. */
export function modelSpace(
  hierarchy: Hierarchy,
  {
    embedding: _,
    ...options
  }: ModelSpaceOptions & { readonly embedding: SpikeGPTConfig['embedding'] },
): ModelSpace {
  return spaceOf(hierarchy, options);
}

export const Evaluator = {
  open: ({
    config,
    ...options
  }: Omit<EvaluatorOptions, 'model'> & { readonly config: SpikeGPTConfig }): AnyEvaluator =>
    AnyEvaluator.open({ ...options, model: structureOf(SPIKEGPT, config) }),
};
