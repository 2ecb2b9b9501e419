import { openCheckpoint } from '../../src/checkpoint/open.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors/write.js';
import type { Parameter } from '../../src/layout/layout.js';
import type { ModelConfig } from '../../src/model/config.js';
import type { ModelFamily } from '../../src/model/family.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { SPIKEBERT } from '../../src/model/spikebert/family.js';
import { SPIKELM } from '../../src/model/spikelm/family.js';
import { SPIKINGBERT } from '../../src/model/spikingbert/family.js';
import { structureOf } from '../../src/model/structure.js';
import type { SequenceBatch } from '../../src/tasks/batching.js';
import { seededRandom } from '../../src/util/random.js';

/** A small model of a family. */
export interface FamilyToy {
  readonly family: ModelFamily;
  readonly config: ModelConfig;
  /** Values of a parameter that random ones will not do for. */
  readonly valuesOf?: (parameter: Parameter) => readonly number[] | undefined;
}

/** A family and a configuration of its own, for lists of several. */
function toy<Config extends ModelConfig>(
  family: ModelFamily<Config>,
  config: Config,
  valuesOf?: FamilyToy['valuesOf'],
): FamilyToy {
  return {
    family: family,
    config,
    ...(valuesOf && { valuesOf }),
  };
}

const SIZES = {
  ...{ vocabSize: 61, width: 24, hiddenWidth: 48, layers: 2, contextLength: 12 },
  ...{ classes: 2, head: false, heads: 2 },
};

/** Rising with the steps, as training leaves them. */
function amplitudeOf({ name, shape }: Parameter): readonly number[] | undefined {
  return shape.length === 0 ? [1.3 + 0.7 * Number(name.at(-1))] : undefined;
}

/** One of each family of ours that runs in time steps. */
export const FAMILY_TOYS: readonly FamilyToy[] = [
  toy(SPIKEBERT, { ...SIZES, timeSteps: 4, tau: 2, threshold: 1 }),
  toy(SPIKINGBERT, { ...SIZES, layers: 1, timeSteps: 26, threshold: 0.9, types: 2 }),
  toy(SPIKELM, { ...SIZES, timeSteps: 3, types: 2 }, amplitudeOf),
];

/** The same with other sizes. */
export function resized(
  { config, ...rest }: FamilyToy,
  sizes: Readonly<Record<string, number>>,
): FamilyToy {
  return { ...rest, config: { ...config, ...sizes } };
}

/** The settings that shapes do not tell, as the metadata of a checkpoint have them. */
function metadataOf({ family, config }: FamilyToy): Record<string, string> {
  const values = new Map(Object.entries<unknown>({ ...config }));
  return Object.fromEntries(
    family.choices.map(({ name, key }) => [key, String(values.get(name))] as const),
  );
}

/** Writes a toy with random weights, the same for the same seed. @returns the path */
export async function saveFamilyToy(path: string, toy: FamilyToy, seed = 1): Promise<string> {
  const random = seededRandom(seed);
  const { parameters } = structureOf(toy.family, toy.config).layout;
  const tensors = parameters.map((parameter) => {
    const { name, shape } = parameter;
    const size = shape.reduce((product, length) => product * length, 1);
    const spread = shape.length === 2 ? 6 / Math.sqrt(shape[1]) : 1;
    const isScale = /(?:ln\d?|_ln|LayerNorm)\.weight$/.test(name);
    const drawn = Float32Array.from(
      { length: size },
      () => (isScale ? 1 : 0) + spread * (random.float() - 0.5),
    );
    const values = Float32Array.from(toy.valuesOf?.(parameter) ?? drawn);
    const bytes = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(values.buffer));
    return { name, shape, dtype: 'float32' as const, bytes };
  });
  await writeSafetensors(path, tensors, metadataOf(toy));
  return path;
}

/**
 * {@link saveFamilyToy} with a classifier that gives either class to half of some sentences: that of random
 * weights gives nearly all of them the same.
 */
export async function saveBalancedToy(
  path: string,
  toy: FamilyToy,
  sentences: readonly SequenceBatch[],
  seed = 1,
): Promise<string> {
  await saveFamilyToy(path, toy, seed);
  const checkpoint = await openCheckpoint(path);
  const model = await LoadedModel.load(checkpoint);
  const margins: number[] = [];
  const { poolings } = toy.family.tokens(toy.config);
  for (const { inputs, lengths } of sentences) {
    const logits = await model.classLogits(inputs, lengths, poolings[0]);
    for (let at = 0; at < logits.length; at += 2) margins.push(logits[at] - logits[at + 1]);
  }
  margins.sort((a, b) => a - b);
  const middle = margins[Math.floor(margins.length / 2)];
  const isBias = ({ block, shape }: Parameter): boolean =>
    block === 'output' && shape.length === 1 && shape[0] === toy.config.classes;
  const { name } = model.description.layout.parameters.find(isBias)!;
  const [first, second] = await checkpoint.readFloat32(name);
  model.dispose();
  await checkpoint.close();
  const valuesOf = (parameter: Parameter): readonly number[] | undefined =>
    parameter.name === name ? [first - middle, second] : toy.valuesOf?.(parameter);
  return saveFamilyToy(path, { ...toy, valuesOf }, seed);
}
