import { abridgedNames } from '../checkpoint/describe.js';
import type { CheckpointListing } from '../checkpoint/types.js';
import { CheckpointError, UsageError } from '../util/errors.js';
import type { ModelFamily } from './family.js';
import { SPIKEBERT } from './spikebert/family.js';
import { SPIKEGPT } from './spikegpt/family.js';
import { SPIKELM } from './spikelm/family.js';
import { SPIKINGBERT } from './spikingbert/family.js';

export { calibrateAmplitudes } from './spikelm/calibrate.js';

/** Families by id; a new one of ours is a line here. */
const families = new Map<string, ModelFamily>(
  [SPIKEGPT, SPIKEBERT, SPIKELM, SPIKINGBERT].map((family): [string, ModelFamily] => [
    family.id,
    family as ModelFamily,
  ]),
);

/** Modules that bring families of others, for worker threads to load. */
const modules: string[] = [];

/** The family of runs that name none: they were made when there was no other. */
export const FIRST_FAMILY = SPIKEGPT.id;

/** All families, ours and those registered. */
export function knownFamilies(): readonly ModelFamily[] {
  return [...families.values()];
}

/**
 * Adds a family of one's own for the rest of the process.
 *
 * @param module path of a CommonJS module that calls this when it is loaded: worker threads load it too.
 *   Without it models of the family run in the calling thread alone (`workers: 0`).
 */
export function registerFamily(family: ModelFamily, module?: string): void {
  families.set(family.id, family);
  if (module !== undefined && !modules.includes(module)) modules.push(module);
}

/** Modules that a worker thread has to load to know the families that are known here. */
export function familyModules(): readonly string[] {
  return modules;
}

/** A model that spiking language models are compared with, of which too little is public to run it. */
interface UnpublishedModel {
  readonly title: string;
  /** Its publication. */
  readonly source: string;
  /** The search for it, and its result. */
  readonly found: string;
}

const UNPUBLISHED: ReadonlyMap<string, UnpublishedModel> = new Map([
  [
    'snn-bert',
    {
      title: 'SNN-BERT',
      source:
        'Su et al., "SNN-BERT: Training-efficient Spiking Neural Networks for energy-efficient BERT", Neural Networks',
      found:
        'its abstract, which promises code; looked for in November 2026 and not found: a repository of that name, ' +
        "weights, and the equations of its neurons (BPSN) outside of the publisher's article",
    },
  ],
]);

/** The names that {@link familyById} has an answer for: families, and models that cannot be one. */
export function familyNames(): readonly string[] {
  return [...families.keys(), ...UNPUBLISHED.keys()];
}

/** @throws {UsageError} when there is no such family, or its model was not published. */
export function familyById(id: string): ModelFamily {
  const family = families.get(id);
  if (family !== undefined) return family;
  const unpublished = UNPUBLISHED.get(id);
  if (unpublished !== undefined)
    throw new UsageError({
      what: `no code, weights or equations of ${unpublished.title} are public (${unpublished.source})`,
      where: `family ${id}`,
      got: unpublished.found,
      expected: `a model that can be run: ${[...families.keys()].join(', ')}`,
    });
  const expected = [...families.keys()].join(', ');
  throw new UsageError({ what: 'unknown model family', where: 'family', got: id, expected });
}

/**
 * The family of a checkpoint: the one stated, else the one that claims its tensors.
 *
 * @throws {CheckpointError} when none claims it, or more than one. {UsageError} for an unknown one.
 */
export function familyOf(
  { tensors, path }: Pick<CheckpointListing, 'tensors' | 'path'>,
  stated?: string,
): ModelFamily {
  if (stated !== undefined) return familyById(stated);
  const claims = knownFamilies().filter((family) => family.claims(tensors));
  if (claims.length === 1) return claims[0];
  const titles = (list: readonly ModelFamily[]): string =>
    list.map(({ id, title }) => `${title} (${id})`).join(', ');
  const none = claims.length === 0;
  throw new CheckpointError({
    what: `${none ? 'no model family knows' : 'more than one model family claims'} these tensors`,
    where: path,
    got: none ? abridgedNames(tensors.keys()) : titles(claims),
    expected: none ? `the parameters of ${titles(knownFamilies())}` : '`family` to say which it is',
  });
}
