import { writeSafetensors } from '../../src/checkpoint/safetensors/write.js';
import { type ModelConfig } from '../support/spikegpt.js';
import { toyCheckpoint } from '../support/toy.js';

/** What a test may do to the values of a tensor before they are written. */
export type Change = (name: string, values: Float32Array) => void;

/** Writes a toy model as float32 safetensors. @returns the path. */
export async function saveToy(
  path: string,
  config: Partial<ModelConfig> = {},
  without: readonly string[] = [],
  change: Change = () => undefined,
): Promise<string> {
  const toy = toyCheckpoint(config);
  const tensors = [...toy.tensors.values()]
    .filter(({ name }) => !without.includes(name))
    .map((info) => ({
      ...info,
      bytes: async () => {
        const values = await toy.readFloat32(info.name);
        change(info.name, values);
        return new Uint8Array(values.buffer);
      },
    }));
  await writeSafetensors(path, tensors, toy.metadata);
  return path;
}
