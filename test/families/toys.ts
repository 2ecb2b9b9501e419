import { openCheckpoint } from '../../src/checkpoint/open.js';
import { writeRandomModel } from '../../src/experiment/open/toy-study.js';
import type { Parameter } from '../../src/layout/layout.js';
import type { ModelConfig } from '../../src/model/config.js';
import type { ModelFamily } from '../../src/model/family.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { SPIKEBERT } from '../../src/model/spikebert/family.js';
import { SPIKELM } from '../../src/model/spikelm/family.js';
import { SPIKINGBERT } from '../../src/model/spikingbert/family.js';
import { structureOf } from '../../src/model/structure.js';
import type { SequenceBatch } from '../../src/tasks/batching.js';

/** A small model of a family. */
export interface FamilyToy {
  readonly family: ModelFamily;
  readonly config: ModelConfig;
  /** Values of a parameter that random ones will not do for. */
  readonly valuesOf?: (parameter: Parameter) => readonly number[] | undefined;
}

/** A family and a configuration of its own, for lists of several. */
function toy<Config extends ModelConfig>(family: ModelFamily<Config>, config: Config): FamilyToy {
  return { family, config };
}

const SIZES = {
  ...{ vocabSize: 61, width: 24, hiddenWidth: 48, layers: 2, contextLength: 12 },
  ...{ classes: 2, head: false, heads: 2 },
};

/** One of each family of ours that runs in time steps. */
export const FAMILY_TOYS: readonly FamilyToy[] = [
  toy(SPIKEBERT, { ...SIZES, timeSteps: 4, tau: 2, threshold: 1 }),
  toy(SPIKINGBERT, { ...SIZES, layers: 1, timeSteps: 26, threshold: 0.9, types: 2 }),
  toy(SPIKELM, { ...SIZES, timeSteps: 3, types: 2 }),
];

/** The same with other sizes. */
export function resized(
  { config, ...rest }: FamilyToy,
  sizes: Readonly<Record<string, number>>,
): FamilyToy {
  return { ...rest, config: { ...config, ...sizes } };
}

/** Writes a toy with random weights, the same for the same seed. @returns the path */
export async function saveFamilyToy(
  path: string,
  { family, config, valuesOf }: FamilyToy,
  seed = 1,
): Promise<string> {
  const structure = structureOf(family, config);
  const set = structure.layout.parameters.flatMap((parameter) => {
    const values = valuesOf?.(parameter);
    return values === undefined ? [] : [[parameter.name, values] as const];
  });
  await writeRandomModel(path, structure, seed, new Map(set));
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
