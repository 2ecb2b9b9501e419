import type { CheckpointListing } from '../../checkpoint/types.js';
import { CheckpointError } from '../../util/errors.js';
import type { ModelConfig } from '../config.js';
import { headsChoice, thresholdChoice, timeStepsChoice } from '../transformer/choices.js';
import { matrixShape, requireHeads } from '../transformer/shapes.js';

export interface SpikingBERTConfig extends ModelConfig {
  /** Channels between the two layers of a feed-forward part. */
  readonly hiddenWidth: number;
  readonly heads: number;
  /** Steps that the network is run for, T_conv. */
  readonly timeSteps: number;
  /** Of all neurons. */
  readonly threshold: number;
  /** Segments that the embedding tells apart. */
  readonly types: number;
}

const TITLE = 'SpikingBERT';

/** Layers of neurons in an encoder. */
export const NEURONS = 6;

/** Heads of BERT base; steps and threshold as the published arguments have them. */
export const SPIKINGBERT_CHOICES = [
  headsChoice(12),
  timeStepsChoice(100),
  thresholdChoice(1),
] as const;

/**
 * The configuration that names and shapes imply.
 *
 * @throws {CheckpointError} when what everything hangs on is missing; {UsageError} for heads that do not fit
 */
export function deriveSpikingBERT(
  checkpoint: CheckpointListing,
  { heads, timeSteps, threshold }: Readonly<Record<string, string | number>>,
): SpikingBERTConfig {
  const embedding = (table: string): [number, number] =>
    matrixShape(checkpoint, `network_x.${table}_embeddings.weight`, TITLE);
  const [vocabSize, width] = embedding('word');
  const [contextLength] = embedding('position');
  const [types] = embedding('token_type');
  const [hiddenWidth] = matrixShape(checkpoint, 'network_s5.dense.weight', TITLE);
  requireHeads(width, Number(heads), checkpoint.path);
  return {
    vocabSize,
    width,
    hiddenWidth,
    layers: countEncoders(checkpoint),
    heads: Number(heads),
    timeSteps: Number(timeSteps),
    threshold: Number(threshold),
    types,
    contextLength,
    classes: checkpoint.tensors.get('classification.weight')?.shape[0] ?? 0,
    head: false,
  };
}

/** Encoders of six layers each, numbered from 1 throughout. */
function countEncoders({ tensors, path }: CheckpointListing): number {
  const numbers = [...tensors.keys()].flatMap((name) => {
    const found = /^network_s(\d+)\.(?:dense|query)\.weight$/.exec(name);
    return found ? [Number(found[1])] : [];
  });
  const layers = Math.max(0, ...numbers);
  if (layers > 0 && layers % NEURONS === 0) return layers / NEURONS;
  throw new CheckpointError({
    what: `not the layers of a ${TITLE}`,
    where: path,
    got: layers === 0 ? 'none' : `network_s1 to network_s${layers}`,
    expected: `${NEURONS} of them an encoder`,
  });
}
