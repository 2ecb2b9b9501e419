import { resolvePlan, uniformPlan, type ResolvedPlan } from '../../src/quant/plan.js';
import { hierarchyFor, type ModelConfig, modelOf } from '../support/spikegpt.js';

/** The published model's shape. */
export const SPIKEGPT_216M: ModelConfig = {
  vocabSize: 50277,
  width: 768,
  hiddenWidth: 3072,
  layers: 18,
  embedding: 'spike',
  contextLength: 1024,
  classes: 0,
  head: true,
  ffnPre: false,
};

/** Paths of the layers whose outputs are spikes. */
export function spikingLayers(config: ModelConfig): string[] {
  return modelOf(config).layout.spiking.map(({ path }) => path);
}

/** One width for all matrices of a model. */
export function uniform(config: ModelConfig, bits: number): ResolvedPlan {
  return resolvePlan(uniformPlan(bits), hierarchyFor(config));
}
