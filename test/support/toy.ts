import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { Checkpoint, TensorInfo } from '../../src/checkpoint/types.js';
import type { Parameter } from '../../src/layout/layout.js';
import { packagePath } from '../../src/util/paths.js';
import { seededRandom } from '../../src/util/random.js';
import { type ModelConfig, parametersOf, SpikeGPT } from './spikegpt.js';

export const TOY: ModelConfig = {
  vocabSize: 61,
  width: 16,
  hiddenWidth: 64,
  layers: 3,
  embedding: 'spike',
  contextLength: 32,
  classes: 2,
  head: true,
  ffnPre: false,
};

/** A random SpikeGPT in memory, the same for the same seed. */
export function toyCheckpoint(config: Partial<ModelConfig> = {}, seed = 1): Checkpoint {
  const full = { ...TOY, ...config };
  const random = seededRandom(seed);
  const values = new Map<string, Float32Array>();
  const tensors = new Map<string, TensorInfo>();
  for (const { name, shape } of inFileOrder(parametersOf(full))) {
    const size = shape.reduce((product, length) => product * length, 1);
    const spread = shape.length === 2 ? 6 / Math.sqrt(shape[1]) : 1;
    const middle = /ln\d\.weight|ln_out\.weight/.test(name) ? 1 : 0;
    tensors.set(name, { name, dtype: 'float32', shape });
    values.set(
      name,
      Float32Array.from({ length: size }, () => middle + spread * (random.float() - 0.5)),
    );
  }
  return {
    path: 'toy',
    format: 'safetensors',
    tensors,
    metadata: { embedding: full.embedding, context_length: String(full.contextLength) },
    readFloat32: (name) => Promise.resolve(values.get(name)!.slice()),
    readBytes: (name) => Promise.resolve(new Uint8Array(values.get(name)!.buffer)),
    sha256: () => Promise.resolve('0'.repeat(64)),
    close: () => Promise.resolve(),
  };
}

/** As the published files have them: SRFFN's receptance before its value. Values are drawn in this order. */
function inFileOrder(parameters: readonly Parameter[]): Parameter[] {
  const placed = parameters.map((parameter, index) => {
    const isValue = /\.(?:ffn|ffnPre)\.value\.weight$/.test(parameter.name);
    return { parameter, place: isValue ? index + 1.5 : index };
  });
  return placed.sort((a, b) => a.place - b.place).map(({ parameter }) => parameter);
}

export async function withToy(
  run: (model: SpikeGPT) => Promise<void> | void,
  config: Partial<ModelConfig> = {},
): Promise<void> {
  const model = await SpikeGPT.load(toyCheckpoint(config));
  try {
    await run(model);
  } finally {
    model.dispose();
  }
}

/** A model that comes with the package. */
export async function openBundled(
  name: 'spikegpt-mini' | 'spikegpt-mini-sst2',
): Promise<Checkpoint> {
  return openCheckpoint(packagePath('data', 'models', name, 'model.safetensors'));
}

/** Tokens without meaning, spread over the vocabulary. */
export function someTokens(batch: number, time: number, vocab: number, seed = 3): Int32Array {
  const random = seededRandom(seed);
  return Int32Array.from({ length: batch * time }, () => random.integer(0, vocab - 1));
}
