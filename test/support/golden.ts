import { readFile } from 'node:fs/promises';

/** One case of the shared golden index: a small random SpikeGPT and its results in float64. */
export interface GoldenCase {
  readonly name: string;
  readonly checkpoint: string;
  readonly dtype: string;
  readonly embedding: 'spike' | 'dense';
  readonly vocabSize: number;
  readonly embeddingSize: number;
  readonly layers: number;
  readonly tokens: readonly (readonly number[])[];
  readonly logits: string;
  readonly logitsShape: readonly [number, number, number];
  /** Mean NLL of each token given those before it. */
  readonly meanNll: number;
  /** [block] of [SRWKV, SRFFN]. */
  readonly firingRates: readonly (readonly [number, number])[];
  /** Sum of the residual stream after each block. */
  readonly hiddenSums: readonly number[];
  readonly classLogits?: readonly (readonly number[])[];
}

/** Names of the golden checkpoints, known without the index so that tests have titles. */
export const GOLDEN_NAMES = [
  'spike-emb',
  'dense-emb',
  'bf16',
  'fp16',
  'ffn-pre',
  'legacy',
] as const;

export async function readGoldenCases(indexPath: string): Promise<readonly GoldenCase[]> {
  return JSON.parse(await readFile(indexPath, 'utf8')) as readonly GoldenCase[];
}

/** Little-endian float32 values. */
export async function readFloats(path: string): Promise<Float32Array> {
  const bytes = await readFile(path);
  return Float32Array.from({ length: bytes.length / 4 }, (_, index) =>
    bytes.readFloatLE(4 * index),
  );
}
