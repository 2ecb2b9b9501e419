import type { BlockName } from '../../layout/blocks.js';
import type { Layout, Parameter, SpikingLayer, Stage } from '../../layout/layout.js';
import { linearLayer, normLayer, type Place } from '../transformer/places.js';
import type { SpikeLMConfig } from './config.js';

/** Neurons of a block's two stages in their order, by their name in the module and in the checkpoint. */
export const ATTENTION_NEURONS = [
  ['query', 'attention.self.query.act_clip_val'],
  ['key', 'attention.self.key.act_clip_val'],
  ['value', 'attention.self.value.act_clip_val'],
  ['clip_key', 'attention.self.clip_key'],
  ['clip_value', 'attention.self.clip_value'],
  ['output', 'attention.output.dense.act_clip_val'],
] as const;
export const FEED_FORWARD_NEURONS = [
  ['intermediate', 'intermediate.dense.act_clip_val'],
  ['output', 'output.dense.act_clip_val'],
] as const;
/** Of one block. */
export const NEURONS = ATTENTION_NEURONS.length + FEED_FORWARD_NEURONS.length;

/** The names of a layer's parameters begin with this. */
export function layerPrefix(layer: number): string {
  return `bert.encoder.layer.${layer}`;
}

/**
 * A SpikeLM from its configuration alone: the embeddings, `layers` attention blocks of two stages each
 * (attention, then feed-forward), pooler and classifier.
 */
export function spikeLMLayout(config: SpikeLMConfig): Layout {
  const { layers, timeSteps } = config;
  const stages = Array.from({ length: 2 * layers }, (_, stage) => stageOf(config, stage));
  return {
    parameters: [
      ...inputParameters(config),
      ...Array.from({ length: layers }, (_, layer) => layerParameters(config, layer)).flat(),
      ...outputParameters(config),
    ],
    stages,
    outputMacs: 0,
    spiking: stages.flatMap(({ path }, stage) =>
      (stage % 2 === 0 ? ATTENTION_NEURONS : FEED_FORWARD_NEURONS).map(([name]): SpikingLayer => ({
        path: `${path}/${name}`,
        levels: 'ternary',
        stage,
        steps: timeSteps,
      })),
    ),
    // Layer norms of real sums.
    discreteStream: false,
  };
}

function stageOf({ width, hiddenWidth, timeSteps }: SpikeLMConfig, stage: number): Stage {
  const block = Math.floor(stage / 2);
  return stage % 2 === 0
    ? { path: `attention.${block}/attention`, macs: 4 * timeSteps * width * width }
    : { path: `attention.${block}/feed-forward`, macs: 2 * timeSteps * width * hiddenWidth };
}

function inputParameters({ vocabSize, contextLength, types, width }: SpikeLMConfig): Parameter[] {
  const place: Place = { block: 'input', module: 'embeddings', boundary: 0 };
  const table = (name: string, matrix: string, rows: number): Parameter => ({
    ...{ ...place, name: `bert.embeddings.${name}_embeddings.weight`, shape: [rows, width] },
    ...{ role: 'matrix', matrix, use: 'lookup' },
  });
  return [
    table('word', 'word', vocabSize),
    table('position', 'position', contextLength),
    table('token_type', 'type', types),
    ...normLayer('bert.embeddings.LayerNorm', width, place),
  ];
}

function layerParameters(config: SpikeLMConfig, layer: number): Parameter[] {
  const { width, hiddenWidth, timeSteps } = config;
  const prefix = layerPrefix(layer);
  const block: BlockName = `attention.${layer}`;
  const attention: Place = { block, module: 'attention', boundary: 2 * layer + 1 };
  const feedForward: Place = { block, module: 'feed-forward', boundary: 2 * layer + 2 };
  const amplitudes = (
    neurons: readonly (readonly [name: string, stored: string])[],
    place: Place,
  ): Parameter[] =>
    neurons.flatMap(([, stored]) =>
      Array.from({ length: timeSteps }, (_, step) => ({
        ...{ ...place, name: `${prefix}.${stored}.${step}`, shape: [] },
        role: 'vector' as const,
      })),
    );
  return [
    ...['query', 'key', 'value'].flatMap((part) =>
      linearLayer(`${prefix}.attention.self.${part}`, part, [width, width], attention),
    ),
    ...linearLayer(`${prefix}.attention.output.dense`, 'output', [width, width], attention),
    ...normLayer(`${prefix}.attention.output.LayerNorm`, width, attention),
    ...amplitudes(ATTENTION_NEURONS, attention),
    ...linearLayer(
      `${prefix}.intermediate.dense`,
      ...(['intermediate', [hiddenWidth, width], feedForward] as const),
    ),
    ...linearLayer(`${prefix}.output.dense`, 'output', [width, hiddenWidth], feedForward),
    ...normLayer(`${prefix}.output.LayerNorm`, width, feedForward),
    ...amplitudes(FEED_FORWARD_NEURONS, feedForward),
  ];
}

/** A model before its fine-tuning has no classifier; its pooler is there, and belongs to nothing then. */
function outputParameters({ width, layers, classes }: SpikeLMConfig): Parameter[] {
  const block = { block: 'output', boundary: 2 * layers + 1 } as const;
  const once = ([weight, bias]: readonly Parameter[]): Parameter[] => [
    { ...weight, use: 'sequence', ...(classes === 0 && { unused: true }) },
    { ...bias, ...(classes === 0 && { unused: true }) },
  ];
  const pooler = { ...block, module: 'pooler' };
  const classifier = { ...block, module: 'classifier' };
  return [
    ...once(linearLayer('bert.pooler.dense', 'dense', [width, width], pooler)),
    ...(classes > 0
      ? once(linearLayer('classifier', 'classifier', [classes, width], classifier))
      : []),
  ];
}
