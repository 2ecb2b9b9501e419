import type { Layout, Parameter, SpikingLayer, Stage } from '../../layout/layout.js';
import { linearLayer, normLayer, type Place } from '../transformer/places.js';
import { NEURONS, type SpikingBERTConfig } from './config.js';

/** Neurons of an encoder's two stages, in their order: K, V, attention, its output; hidden, output. */
export const ATTENTION_NEURONS = ['key', 'value', 'attention', 'output'] as const;
export const FEED_FORWARD_NEURONS = ['intermediate', 'output'] as const;

/** The name of layer `place`, from 1 to 6, of an encoder. */
export function layerName(encoder: number, place: number): string {
  return `network_s${NEURONS * encoder + place}`;
}

/**
 * A SpikingBERT from its configuration alone: the embeddings, `layers` encoders of two stages each (attention,
 * then feed-forward), and the classification layer.
 */
export function spikingBERTLayout(config: SpikingBERTConfig): Layout {
  const { layers, timeSteps: steps } = config;
  const levels = 'binary';
  const stages = Array.from({ length: 2 * layers }, (_, stage) => stageOf(config, stage));
  const spiking = stages.flatMap(({ path }, stage) =>
    (stage % 2 === 0 ? ATTENTION_NEURONS : FEED_FORWARD_NEURONS).map((name): SpikingLayer => ({
      path: `${path}/${name}`,
      levels,
      stage,
      steps,
    })),
  );
  return {
    parameters: [
      ...inputParameters(config),
      ...Array.from({ length: layers }, (_, encoder) => encoderParameters(config, encoder)).flat(),
      ...outputParameters(config),
    ],
    stages,
    outputMacs: 0,
    spiking: [{ path: 'input/embeddings', levels, stage: 'embedding', steps }, ...spiking],
    // Nothing but spikes goes from stage to stage.
    discreteStream: true,
  };
}

function stageOf({ width, hiddenWidth, timeSteps }: SpikingBERTConfig, stage: number): Stage {
  const block = Math.floor(stage / 2);
  return stage % 2 === 0
    ? { path: `attention.${block}/attention`, macs: 4 * timeSteps * width * width }
    : { path: `attention.${block}/feed-forward`, macs: 2 * timeSteps * width * hiddenWidth };
}

function inputParameters(config: SpikingBERTConfig): Parameter[] {
  const { vocabSize, contextLength, types, width } = config;
  const place: Place = { block: 'input', module: 'embeddings', boundary: 0 };
  const table = (name: string, matrix: string, rows: number): Parameter => ({
    ...{ ...place, name: `network_x.${name}_embeddings.weight`, shape: [rows, width] },
    ...{ role: 'matrix', matrix, use: 'lookup' },
  });
  return [
    table('word', 'word', vocabSize),
    table('position', 'position', contextLength),
    table('token_type', 'type', types),
    ...normLayer('network_x.LayerNorm', width, place),
  ];
}

function encoderParameters(
  { width, hiddenWidth }: SpikingBERTConfig,
  encoder: number,
): Parameter[] {
  const block = `attention.${encoder}` as const;
  const attention: Place = { block, module: 'attention', boundary: 2 * encoder + 1 };
  const feedForward: Place = { block, module: 'feed-forward', boundary: 2 * encoder + 2 };
  const [key, value, query, output, intermediate, last] = Array.from({ length: NEURONS }, (_, at) =>
    layerName(encoder, at + 1),
  );
  return [
    ...linearLayer(`${key}.dense`, 'key', [width, width], attention),
    ...linearLayer(`${value}.dense`, 'value', [width, width], attention),
    ...linearLayer(`${query}.query`, 'query', [width, width], attention),
    ...linearLayer(`${output}.dense`, 'output', [width, width], attention),
    ...normLayer(`${output}.LayerNorm`, width, attention),
    ...linearLayer(`${intermediate}.dense`, 'intermediate', [hiddenWidth, width], feedForward),
    ...linearLayer(`${last}.dense`, 'output', [width, hiddenWidth], feedForward),
    ...normLayer(`${last}.LayerNorm`, width, feedForward),
  ];
}

/** Files from general distillation lack the classification layer. */
function outputParameters({ width, layers, classes }: SpikingBERTConfig): Parameter[] {
  if (classes === 0) return [];
  const [weight, bias] = linearLayer('classification', 'classification', [classes, width], {
    ...{ block: 'output', module: 'classification', boundary: 2 * layers + 1 },
  });
  return [{ ...weight, use: 'sequence' }, bias];
}
