import { abridgedNames } from '../../checkpoint/describe.js';
import type { CheckpointListing } from '../../checkpoint/types.js';
import { CheckpointError } from '../../util/errors.js';
import type { ModelConfig } from '../config.js';
import { headsChoice } from '../transformer/choices.js';
import { countBlocks, matrixShape, requireHeads } from '../transformer/shapes.js';

export interface SpikeLMConfig extends ModelConfig {
  /** Channels between the two layers of a feed-forward part. */
  readonly hiddenWidth: number;
  readonly heads: number;
  /** As many as a layer has amplitudes. */
  readonly timeSteps: number;
  /** Segments that the embedding tells apart. */
  readonly types: number;
}

const TITLE = 'SpikeLM';

/** BERT base's; `config.json` beside a published checkpoint has them. */
export const SPIKELM_CHOICES = [headsChoice(12)] as const;

/**
 * The configuration that names and shapes imply.
 *
 * @throws {CheckpointError} when what everything hangs on is missing; {UsageError} for heads that do not fit
 */
export function deriveSpikeLM(
  checkpoint: CheckpointListing,
  { heads }: Readonly<Record<string, string | number>>,
): SpikeLMConfig {
  const { tensors, path } = checkpoint;
  const embedding = (table: string): [number, number] =>
    matrixShape(checkpoint, `bert.embeddings.${table}_embeddings.weight`, TITLE);
  const [vocabSize, width] = embedding('word');
  const [contextLength] = embedding('position');
  const [types] = embedding('token_type');
  const layers = countBlocks(checkpoint, /^bert\.encoder\.layer\.(\d+)\./, TITLE);
  const intermediate = 'bert.encoder.layer.0.intermediate.dense.weight';
  const [hiddenWidth] = matrixShape(checkpoint, intermediate, TITLE);
  requireHeads(width, Number(heads), path);
  return {
    vocabSize,
    width,
    hiddenWidth,
    layers,
    heads: Number(heads),
    timeSteps: countSteps(checkpoint),
    types,
    contextLength,
    classes: tensors.get('classifier.weight')?.shape[0] ?? 0,
    head: false,
  };
}

/** The time steps that the first layer has amplitudes for. */
function countSteps({ tensors, path }: CheckpointListing): number {
  const prefix = 'bert.encoder.layer.0.attention.self.query.act_clip_val.';
  let steps = 0;
  while (tensors.has(`${prefix}${steps}`)) steps++;
  if (steps > 0) return steps;
  throw new CheckpointError({
    what: `the neurons of a ${TITLE} are missing: no amplitudes`,
    where: path,
    got: abridgedNames(tensors.keys()),
    expected: `${prefix}0 and one for each time step`,
  });
}
