import type { Checkpoint, CheckpointListing, TensorInfo } from '../../src/checkpoint/types.js';
import {
  modelSpace as spaceOf,
  type ModelSpace,
  type ModelSpaceOptions,
} from '../../src/experiment/open/model-space.js';
import { Evaluator as AnyEvaluator } from '../../src/experiment/scoring/evaluator.js';
import type { EvaluatorOptions } from '../../src/experiment/scoring/options.js';
import { hierarchyOf, type Hierarchy } from '../../src/layout/hierarchy.js';
import type { Parameter } from '../../src/layout/layout.js';
import { checkParameters as checkAgainst } from '../../src/model/check-parameters.js';
import type { StatedConfig } from '../../src/model/config.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import {
  DEFAULT_CONTEXT_LENGTH,
  deriveSpikeGPT,
  type SpikeGPTConfig,
} from '../../src/model/spikegpt/config.js';
import { SPIKEGPT } from '../../src/model/spikegpt/family.js';
import { spikeGPTLayout } from '../../src/model/spikegpt/layout.js';
import {
  describeModel,
  structureOf,
  type ModelDescription,
  type ModelStructure,
} from '../../src/model/structure.js';

/*
 * The family that most tests are about, in the words that they had before there were families: what is
 * measured here was written down then, and has to stay.
 */

export type { SpikeGPTConfig as ModelConfig } from '../../src/model/spikegpt/config.js';

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

/** All that follows from a configuration. */
export function modelOf(config: SpikeGPTConfig): ModelStructure<SpikeGPTConfig> {
  return structureOf(SPIKEGPT, config);
}

/** The hierarchy of a model of these sizes. */
export function hierarchyFor(config: SpikeGPTConfig): Hierarchy {
  return hierarchyOf(parametersOf(config));
}

type Shaped = Pick<TensorInfo, 'name' | 'shape'>;

/** The configuration of the model that has these tensors, and no others, whatever their order. */
function configOfTensors(
  list: Iterable<Shaped>,
  embedding: SpikeGPTConfig['embedding'] = 'spike',
): SpikeGPTConfig {
  const tensors = new Map(
    Array.from(list, ({ name, shape }) => [name, { name, shape, dtype: 'float32' as const }]),
  );
  const checkpoint = { path: 'tensors', format: 'safetensors', tensors, metadata: {} } as const;
  const config = deriveSpikeGPT(checkpoint, { embedding, contextLength: DEFAULT_CONTEXT_LENGTH });
  checkParameters(checkpoint, parametersOf(config));
  return config;
}

/** Its hierarchy. */
export function hierarchyOfTensors(
  list: Iterable<Shaped>,
  embedding?: SpikeGPTConfig['embedding'],
): Hierarchy {
  return hierarchyFor(configOfTensors(list, embedding));
}

/** The same with what the model does not use, the head of a classifier, among the rest. */
export function wholeHierarchyOfTensors(list: Iterable<Shaped>): Hierarchy {
  const parameters = parametersOf(configOfTensors(list)).map((parameter) => {
    const used: { -readonly [Key in keyof Parameter]: Parameter[Key] } = { ...parameter };
    delete used.unused;
    return used;
  });
  return hierarchyOf(parameters);
}

/** Whether the embedding spikes is known from the hierarchy. */
export function modelSpace(
  hierarchy: Hierarchy,
  options: ModelSpaceOptions & { readonly embedding: SpikeGPTConfig['embedding'] },
): ModelSpace {
  return spaceOf(hierarchy, options);
}

export const Evaluator = {
  open: ({
    config,
    ...options
  }: Omit<EvaluatorOptions, 'model'> & { readonly config: SpikeGPTConfig }): AnyEvaluator =>
    AnyEvaluator.open({ ...options, model: modelOf(config) }),
};
