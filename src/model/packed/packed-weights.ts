import { requirePackedKernels } from '../../backend/kernels/packed/packed.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import type { PackedTensor } from '../../quant/packed/packed-tensor.js';
import { isPackedCheckpoint } from '../../quant/packed/read.js';
import { CheckpointError, ModelError } from '../../util/errors.js';
import type { SpikingNetwork } from '../family.js';
import type { ModelDescription } from '../structure.js';

/** Puts a matrix on the device as a packed file has it. @throws {QuantError} for a scheme without a product. */
export type SetPacked = (name: string, stored: PackedTensor) => void;

/** A model on the running backend, as far as packed execution goes. */
interface PackableModel {
  readonly network: SpikingNetwork;
  readonly description: Pick<ModelDescription, 'family'>;
}

/**
 * The way for matrices to be put into a model packed, in place of what they were.
 *
 * @throws {ModelError} for a family without packed execution. {BackendError} for a backend without it.
 */
export function packedSetter({ network, description }: PackableModel): SetPacked {
  if (network.setPacked === undefined)
    throw new ModelError({
      what: 'models of this family cannot be computed with packed',
      where: description.family.title,
      expected: 'a SpikeGPT, or no packed execution',
    });
  requirePackedKernels();
  return network.setPacked.bind(network);
}

/**
 * The function that reads a matrix of a packed file as it is stored, or undefined where that is float32.
 *
 * @throws {CheckpointError} for a file that is not packed.
 */
export function packedReader(
  checkpoint: Checkpoint,
): (name: string) => Promise<PackedTensor | undefined> {
  if (!isPackedCheckpoint(checkpoint))
    throw new CheckpointError({
      what: 'only a packed model can be computed with packed',
      where: checkpoint.path,
      got: 'plain weights',
      expected: 'a file written by an export',
    });
  return (name) => checkpoint.readPacked(name);
}
