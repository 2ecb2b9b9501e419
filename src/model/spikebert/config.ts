import type { CheckpointListing } from '../../checkpoint/types.js';
import type { ModelConfig } from '../config.js';
import {
  contextLengthChoice,
  headsChoice,
  tauChoice,
  thresholdChoice,
  timeStepsChoice,
} from '../transformer/choices.js';
import { countBlocks, matrixShape, requireHeads } from '../transformer/shapes.js';

export interface SpikeBERTConfig extends ModelConfig {
  /** Channels between the two layers of an MLP. */
  readonly hiddenWidth: number;
  readonly heads: number;
  readonly timeSteps: number;
  /** Membrane time constant, in steps. */
  readonly tau: number;
  /** Of all neurons but those behind the attention, which fire at half of it. */
  readonly threshold: number;
}

const TITLE = 'SpikeBERT';

/** As the published training script sets them (new_distill_spikformer.sh); the weights do not tell. */
export const SPIKEBERT_CHOICES = [
  headsChoice(8),
  timeStepsChoice(4),
  tauChoice(2),
  thresholdChoice(1),
  contextLengthChoice(128),
] as const;

/**
 * The configuration that names and shapes imply.
 *
 * @throws {CheckpointError} when there is no embedding or no block; {UsageError} for heads that do not fit
 */
export function deriveSpikeBERT(
  checkpoint: CheckpointListing,
  { heads, timeSteps, tau, threshold, contextLength }: Readonly<Record<string, string | number>>,
): SpikeBERTConfig {
  const { tensors, path } = checkpoint;
  const layers = countBlocks(checkpoint, /^blocks\.(\d+)\.attn\./, TITLE);
  const [vocabSize, width] = matrixShape(checkpoint, 'emb.weight', TITLE);
  const [hiddenWidth] = matrixShape(checkpoint, 'blocks.0.mlp.fc1.weight', TITLE);
  requireHeads(width, Number(heads), path);
  return {
    vocabSize,
    width,
    hiddenWidth,
    layers,
    heads: Number(heads),
    timeSteps: Number(timeSteps),
    tau: Number(tau),
    threshold: Number(threshold),
    contextLength: Number(contextLength),
    classes: tensors.get('classifier.weight')?.shape[0] ?? 0,
    head: false,
  };
}
