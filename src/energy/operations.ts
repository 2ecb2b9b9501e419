import type { OperationOptions, TokenOperations } from '../layout/operations.js';
import type { ModelStructure } from '../model/structure.js';
import { EnergyError } from '../util/errors.js';

export type { MatrixProduct, OperationOptions, TokenOperations } from '../layout/operations.js';

/** True where the model's family counts its operations. */
export function isModelled({ family }: Pick<ModelStructure, 'family'>): boolean {
  return family.operations !== undefined;
}

/**
 * The operations a token of a model takes, from its configuration alone.
 *
 * @throws {EnergyError} when `sentenceTokens` is below 1, or the family does not count its operations.
 */
export function countOperations(
  { family, config }: Pick<ModelStructure, 'family' | 'config'>,
  options: OperationOptions = {},
): TokenOperations {
  if (family.operations !== undefined) return family.operations(config, options);
  throw new EnergyError({
    what: 'the energy of this family is not modelled',
    where: 'counting operations',
    got: family.title,
    expected: 'a family that counts the operations of a token',
  });
}
