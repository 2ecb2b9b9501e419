import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Checkpoint, TensorInfo } from '../../checkpoint/types.js';
import { CheckpointError, UsageError } from '../../util/errors.js';

/** `spike`: the embedding enters as its sign, H(e) = 1 for e >= 0, else 0. `dense`: as it is. */
export type EmbeddingKind = 'spike' | 'dense';

export interface ModelConfig {
  /** Rows of the embedding. */
  readonly vocabSize: number;
  /** Channels of the residual stream. */
  readonly width: number;
  /** Channels inside ChannelMix, 4 x width in the published models. */
  readonly hiddenWidth: number;
  /** Blocks. */
  readonly layers: number;
  readonly embedding: EmbeddingKind;
  /** Tokens a sequence had in training. The model runs longer ones, outside what it learned. */
  readonly contextLength: number;
  /** Classes of the classifier; 0 without one. */
  readonly classes: number;
  /** Whether there is a language-model head. */
  readonly head: boolean;
  /** Whether block 0 has a ChannelMix (`ffnPre`) in place of its TimeMix: variant RWKV-ffnPre. */
  readonly ffnPre: boolean;
}

/** What shapes cannot tell, and where each value was taken from. */
export const CONFIG_CHOICES = ['embedding', 'contextLength'] as const;
export type ConfigSource = 'flag' | 'checkpoint metadata' | 'config.json' | 'default';
export interface ConfigReport {
  readonly config: ModelConfig;
  readonly sources: Readonly<Record<(typeof CONFIG_CHOICES)[number], ConfigSource>>;
}

/** What a user may state about a checkpoint. */
export interface ConfigFlags {
  readonly embedding?: EmbeddingKind | undefined;
  readonly contextLength?: number | undefined;
}

/** The published 216M model's context; used when nothing says otherwise, and reported as a default. */
export const DEFAULT_CONTEXT_LENGTH = 1024;

/**
 * The configuration a checkpoint's names and shapes imply, completed from flags, the checkpoint's own
 * metadata (`embedding`, `context_length`), a `config.json` beside it, or defaults, in this order.
 *
 * @throws {CheckpointError} when there is no embedding or no block, or a stated value makes no sense
 */
export async function deriveConfig(
  checkpoint: Checkpoint,
  flags: ConfigFlags = {},
): Promise<ConfigReport> {
  const { tensors, path } = checkpoint;
  const [vocabSize, width] = matrixShape(checkpoint, 'emb.weight');
  const layers = countBlocks(tensors, path);
  const ffnPre = tensors.has('blocks.0.ffnPre.key.weight');
  const [hiddenWidth] = matrixShape(checkpoint, 'blocks.0.ffn.key.weight');
  const classes = tensors.get('classifier.weight')?.shape[0] ?? 0;

  const beside = await readConfigFile(join(dirname(path), 'config.json'));
  const embedding = choose<EmbeddingKind>(
    [flags.embedding, checkpoint.metadata['embedding'], beside?.['embedding']],
    'spike',
    (value) => parseEmbedding(value, path),
  );
  const contextLength = choose<number>(
    [flags.contextLength, checkpoint.metadata['context_length'], beside?.['context_length']],
    DEFAULT_CONTEXT_LENGTH,
    (value) => parseContextLength(value, path),
  );
  return {
    config: {
      vocabSize,
      width,
      hiddenWidth,
      layers,
      embedding: embedding.value,
      contextLength: contextLength.value,
      classes,
      head: tensors.has('head.weight'),
      ffnPre,
    },
    sources: { embedding: embedding.source, contextLength: contextLength.source },
  };
}

function matrixShape({ tensors, path }: Checkpoint, name: string): [number, number] {
  const shape = tensors.get(name)?.shape;
  if (shape?.length === 2) return [shape[0], shape[1]];
  throw new CheckpointError({
    what: `not a SpikeGPT checkpoint: "${name}" is ${shape ? 'no matrix' : 'missing'}`,
    where: path,
    got: shape ? `shape [${shape.join(', ')}]` : listNames(tensors),
    expected: `"${name}" of two dimensions`,
  });
}

function listNames(tensors: ReadonlyMap<string, TensorInfo>): string {
  const names = [...tensors.keys()];
  const shown = names.slice(0, 5).join(', ');
  return `${names.length} tensors (${shown}${names.length > 5 ? ', …' : ''})`;
}

function countBlocks(tensors: ReadonlyMap<string, TensorInfo>, path: string): number {
  const numbers = new Set<number>();
  for (const name of tensors.keys()) {
    const match = /^blocks\.(\d+)\./.exec(name);
    if (match) numbers.add(Number(match[1]));
  }
  const layers = numbers.size;
  const gap = [...numbers].find((block) => block >= layers);
  if (layers === 0 || gap !== undefined)
    throw new CheckpointError({
      what: layers === 0 ? 'no blocks' : 'the blocks are not numbered without gaps',
      where: path,
      got: layers === 0 ? listNames(tensors) : `${layers} blocks, one numbered ${gap ?? ''}`,
      expected: 'blocks.0 to blocks.N',
    });
  return layers;
}

async function readConfigFile(path: string): Promise<Record<string, unknown> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === 'object' && content !== null) return content as Record<string, unknown>;
  } catch (cause) {
    throw new CheckpointError({ what: 'not JSON', where: path, expected: 'an object' }, { cause });
  }
  throw new CheckpointError({ what: 'not a JSON object', where: path, expected: 'an object' });
}

/** The first of flag, metadata and config file that is stated, parsed. */
function choose<T>(
  stated: readonly [flag: unknown, metadata: unknown, file: unknown],
  fallback: T,
  parse: (value: unknown) => T,
): { value: T; source: ConfigSource } {
  const sources = ['flag', 'checkpoint metadata', 'config.json'] as const;
  const found = stated.findIndex((value) => value !== undefined && value !== null);
  if (found < 0) return { value: fallback, source: 'default' };
  return { value: parse(stated[found]), source: sources[found] };
}

function parseEmbedding(value: unknown, where: string): EmbeddingKind {
  if (value === 'spike' || value === 'dense') return value;
  const got = JSON.stringify(value);
  throw new UsageError({ what: 'unknown embedding', where, got, expected: 'spike or dense' });
}

function parseContextLength(value: unknown, where: string): number {
  const length = Number(value);
  if (Number.isInteger(length) && length > 0) return length;
  throw new UsageError({
    what: 'context length is no positive integer',
    where,
    got: JSON.stringify(value),
    expected: 'tokens, for example 1024',
  });
}
