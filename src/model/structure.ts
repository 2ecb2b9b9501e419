import { openCheckpoint } from '../checkpoint/open.js';
import type { Checkpoint, CheckpointListing, FileContent } from '../checkpoint/types.js';
import { hierarchyOf, type Hierarchy } from '../layout/hierarchy.js';
import type { Layout } from '../layout/layout.js';
import { isPacked } from '../quant/packed/format.js';
import { readPacked, type PackedCheckpoint } from '../quant/packed/read.js';
import { checkParameters } from './check-parameters.js';
import { makeChoices, type ConfigSource, type ModelConfig, type StatedConfig } from './config.js';
import { familyOf } from './families.js';
import type { ModelFamily } from './family.js';

/** A model without weights: all that follows from its family and configuration. */
export interface ModelStructure<Config extends ModelConfig = ModelConfig> {
  readonly family: ModelFamily<Config>;
  readonly config: Config;
  readonly layout: Layout;
  readonly hierarchy: Hierarchy;
}

/** The structure of a checkpoint's model, and the source of each setting that shapes cannot tell. */
export interface ModelDescription<
  Config extends ModelConfig = ModelConfig,
> extends ModelStructure<Config> {
  /** By the setting's name in the configuration. */
  readonly sources: Readonly<Record<string, ConfigSource>>;
}

/** The structure of a model from its configuration alone. */
export function structureOf<Config extends ModelConfig>(
  family: ModelFamily<Config>,
  config: Config,
): ModelStructure<Config> {
  const layout = family.layout(config);
  return { family, config, layout, hierarchy: hierarchyOf(layout.parameters) };
}

/**
 * Works out which family a checkpoint is of, its configuration and its structure, and checks every tensor's
 * name and shape against it. Reads no weights.
 *
 * @param stated settings that the checkpoint lacks or has wrong: a family, a family's settings
 * @throws {CheckpointError} for a model that is of no family, of several, or not whole; the message names
 *   every tensor that is missing, surplus or misshapen. {UsageError} for a setting that makes no sense.
 */
export async function describeModel(
  checkpoint: CheckpointListing,
  stated: StatedConfig = {},
): Promise<ModelDescription> {
  const family = familyOf(checkpoint, stated.family);
  const choices = [...(await makeChoices(family.choices, checkpoint, stated))];
  const chosen = Object.fromEntries(choices.map(([name, { value }]) => [name, value]));
  const structure = structureOf(family, family.derive(checkpoint, chosen));
  checkParameters(checkpoint, structure);
  const sources = Object.fromEntries(choices.map(([name, { source }]) => [name, source]));
  return { ...structure, sources };
}

/** An open checkpoint and the model in it. */
export interface DescribedCheckpoint {
  /** A packed file gives the values that it stands for. */
  readonly checkpoint: Checkpoint | PackedCheckpoint;
  readonly description: ModelDescription;
}

/**
 * Opens a checkpoint of any kind, packed ones too, and describes its model.
 *
 * @param expected the content that another thread has read at this path
 * @throws as `openCheckpoint`, `openPacked` and {@link describeModel}.
 */
export async function openDescribed(
  path: string,
  stated: StatedConfig = {},
  expected?: FileContent,
): Promise<DescribedCheckpoint> {
  const file = await openCheckpoint(path, expected);
  try {
    if (!isPacked(file.metadata))
      return { checkpoint: file, description: await describeModel(file, stated) };
    let description!: ModelDescription;
    const checkpoint = await readPacked(file, async (contents) => {
      description = await describeModel(contents, stated);
      return description.hierarchy;
    });
    return { checkpoint, description };
  } catch (error) {
    await file.close();
    throw error;
  }
}

type Configured = Pick<ModelStructure, 'family' | 'config'>;

/** The settings of a configuration that a family leaves open, by name. */
export function settingsOf({ family, config }: Configured): Record<string, string | number> {
  const values = new Map(Object.entries<unknown>({ ...config }));
  return Object.fromEntries(
    family.choices.map(({ name }) => [name, values.get(name) as string | number]),
  );
}

/** The statement that makes a checkpoint be taken as a model of this very configuration. */
export function statedConfig(model: Configured): StatedConfig {
  return { family: model.family.id, ...settingsOf(model) };
}

/** The settings as a checkpoint's metadata have them, but not those that nobody has stated. */
export function statedMetadata(
  model: Configured & Pick<ModelDescription, 'sources'>,
): Record<string, string> {
  const values = settingsOf(model);
  return Object.fromEntries(
    model.family.choices
      .filter(({ name }) => model.sources[name] !== 'default')
      .map(({ name, key }) => [key, String(values[name])]),
  );
}
