import { abridgedNames } from '../../checkpoint/describe.js';
import type { CheckpointListing, TensorInfo } from '../../checkpoint/types.js';
import { CheckpointError, UsageError } from '../../util/errors.js';
import { formatCount } from '../../util/format.js';
import type { ConfigChoice, ModelConfig } from '../config.js';

/** `spike`: the embedding enters as its sign, H(e) = 1 for e >= 0, else 0. `dense`: as it is. */
export type EmbeddingKind = 'spike' | 'dense';

export interface SpikeGPTConfig extends ModelConfig {
  /** Channels inside ChannelMix, 4 x width in the published models. */
  readonly hiddenWidth: number;
  readonly embedding: EmbeddingKind;
  /** True where block 0 has a ChannelMix (`ffnPre`) in place of its TimeMix: variant RWKV-ffnPre. */
  readonly ffnPre: boolean;
}

/** The published 216M model's context; used when nothing says otherwise, and reported as a default. */
export const DEFAULT_CONTEXT_LENGTH = 1024;

/** Positions are int32. */
const LONGEST_CONTEXT = 2 ** 31 - 1;

const EMBEDDING: ConfigChoice = {
  name: 'embedding',
  key: 'embedding',
  flag: '--embedding <kind>',
  help: 'how the embedding enters',
  values: ['spike', 'dense'],
  fallback: 'spike',
  parse: (value, where) => {
    if (value === 'spike' || value === 'dense') return value;
    const got = JSON.stringify(value);
    throw new UsageError({ what: 'unknown embedding', where, got, expected: 'spike or dense' });
  },
  show: (value) => ['embedding', String(value)],
};

const CONTEXT_LENGTH: ConfigChoice = {
  name: 'contextLength',
  key: 'context_length',
  flag: '--context-length <tokens>',
  help: 'length of sequences in training',
  fallback: DEFAULT_CONTEXT_LENGTH,
  parse: (value, where) => {
    // Not by `Number` alone, to which a list of one and true are numbers too.
    const isWritten = typeof value === 'string' && /^\d{1,10}$/.test(value);
    const length = isWritten ? Number(value) : value;
    if (Number.isSafeInteger(length) && Number(length) > 0 && Number(length) <= LONGEST_CONTEXT)
      return Number(length);
    throw new UsageError({
      what: 'context length is no positive integer',
      where,
      got: JSON.stringify(value),
      expected: 'tokens, for example 1024',
    });
  },
  show: (value) => ['context', `${formatCount(Number(value))} tokens`],
};

export const SPIKEGPT_CHOICES = [EMBEDDING, CONTEXT_LENGTH] as const;

/**
 * The configuration that names and shapes imply.
 *
 * @throws {CheckpointError} when there is no embedding or no block
 */
export function deriveSpikeGPT(
  checkpoint: CheckpointListing,
  { embedding, contextLength }: Readonly<Record<string, string | number>>,
): SpikeGPTConfig {
  const { tensors, path } = checkpoint;
  const [vocabSize, width] = matrixShape(checkpoint, 'emb.weight');
  const layers = countBlocks(tensors, path);
  const [hiddenWidth] = matrixShape(checkpoint, 'blocks.0.ffn.key.weight');
  return {
    vocabSize,
    width,
    hiddenWidth,
    layers,
    embedding: embedding as EmbeddingKind,
    contextLength: contextLength as number,
    classes: tensors.get('classifier.weight')?.shape[0] ?? 0,
    head: tensors.has('head.weight'),
    ffnPre: tensors.has('blocks.0.ffnPre.key.weight'),
  };
}

function matrixShape({ tensors, path }: CheckpointListing, name: string): [number, number] {
  const shape = tensors.get(name)?.shape;
  if (shape?.length === 2 && shape[0] > 0 && shape[1] > 0) return [shape[0], shape[1]];
  throw new CheckpointError({
    what: `not a SpikeGPT checkpoint: "${name}" is ${shape ? 'no matrix, or empty' : 'missing'}`,
    where: path,
    got: shape ? `shape [${shape.join(', ')}]` : abridgedNames(tensors.keys()),
    expected: `"${name}" of two dimensions, neither of them 0`,
  });
}

function countBlocks(tensors: ReadonlyMap<string, TensorInfo>, path: string): number {
  const names = [...tensors.keys()];
  const numbers = new Set(
    names.flatMap((name) => /^blocks\.(\d+)\./.exec(name)?.[1] ?? []).map(Number),
  );
  const layers = numbers.size;
  const gap = [...numbers].find((block) => block >= layers);
  if (layers > 0 && gap === undefined) return layers;
  throw new CheckpointError({
    what: layers === 0 ? 'no blocks' : 'the blocks are not numbered without gaps',
    where: path,
    got: gap === undefined ? abridgedNames(names) : `${layers} blocks, one numbered ${gap}`,
    expected: 'blocks.0 to blocks.N',
  });
}
