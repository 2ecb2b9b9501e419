import type { Layout, Parameter, SpikingLayer, Stage } from '../../layout/layout.js';
import { linearLayer, normLayer, type Place } from '../transformer/places.js';
import type { SpikeBERTConfig } from './config.js';

/** Layers that fire in a block's two stages, in their order. */
export const ATTENTION_NEURONS = ['q_m', 'k_m', 'v_m', 'attention', 'last_m'] as const;
export const MLP_NEURONS = ['fc1', 'fc2'] as const;
/** Of one block. */
export const NEURONS = ATTENTION_NEURONS.length + MLP_NEURONS.length;

/**
 * A SpikeBERT from its configuration alone: the sign embedding, `layers` attention blocks of two stages each
 * (SSA, spiking self-attention, then MLP), last_ln and the classifier.
 */
export function spikeBERTLayout(config: SpikeBERTConfig): Layout {
  const { layers, timeSteps } = config;
  const stages = Array.from({ length: 2 * layers }, (_, stage) => stageOf(config, stage));
  const spiking = stages.flatMap(({ path }, stage) =>
    (stage % 2 === 0 ? ATTENTION_NEURONS : MLP_NEURONS).map((neurons): SpikingLayer => ({
      path: `${path}/${neurons}`,
      levels: 'binary',
      stage,
      steps: timeSteps,
    })),
  );
  return {
    parameters: [
      {
        ...{ block: 'input', module: 'embedding', boundary: 0, name: 'emb.weight' },
        ...{ shape: [config.vocabSize, config.width], role: 'sign', matrix: 'emb', use: 'lookup' },
      },
      ...Array.from({ length: layers }, (_, block) => blockParameters(config, block)).flat(),
      ...outputParameters(config),
    ],
    stages,
    outputMacs: 0,
    spiking: [{ path: 'input/embedding', levels: 'binary', stage: 'embedding' }, ...spiking],
    // Spikes enter, and stages add spikes: whole numbers throughout.
    discreteStream: true,
  };
}

/** The embedding is the same at all steps, and so are the first products of it. */
function stageOf({ width, hiddenWidth, timeSteps }: SpikeBERTConfig, stage: number): Stage {
  const block = Math.floor(stage / 2);
  if (stage % 2 === 1)
    return { path: `attention.${block}/MLP`, macs: 2 * timeSteps * width * hiddenWidth };
  const products = 3 * (block === 0 ? 1 : timeSteps) + timeSteps;
  return { path: `attention.${block}/SSA`, macs: products * width * width };
}

function blockParameters({ width, hiddenWidth }: SpikeBERTConfig, block: number): Parameter[] {
  const prefix = `blocks.${block}`;
  const name = `attention.${block}` as const;
  const attention: Place = { block: name, module: 'SSA', boundary: 2 * block + 1 };
  const mlp: Place = { block: name, module: 'MLP', boundary: 2 * block + 2 };
  return [
    ...['q', 'k', 'v', 'last'].flatMap((part) => [
      ...linearLayer(`${prefix}.attn.${part}_m`, `${part}_m`, [width, width], attention),
      ...normLayer(`${prefix}.attn.${part}_ln`, width, attention),
    ]),
    ...linearLayer(`${prefix}.mlp.fc1`, 'fc1', [hiddenWidth, width], mlp),
    ...normLayer(`${prefix}.mlp.ln1`, hiddenWidth, mlp),
    ...linearLayer(`${prefix}.mlp.fc2`, 'fc2', [width, hiddenWidth], mlp),
    ...normLayer(`${prefix}.mlp.ln2`, width, mlp),
  ];
}

/** A model before its fine-tuning has no classifier. */
function outputParameters({ width, layers, classes }: SpikeBERTConfig): Parameter[] {
  const block = { block: 'output', boundary: 2 * layers + 1 } as const;
  const [weight, bias] = linearLayer('classifier', 'classifier', [classes, width], {
    ...block,
    module: 'classifier',
  });
  return [
    ...normLayer('last_ln', width, block),
    ...(classes > 0 ? [{ ...weight, use: 'sequence' as const }, bias] : []),
  ];
}
