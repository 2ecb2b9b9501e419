import type { FileHandle } from 'node:fs/promises';
import { CheckpointError, throwIfAborted } from '../../util/errors.js';
import { writeFileAtomically } from '../../util/files.js';
import type { RunOptions } from '../../util/progress.js';
import { quoted } from '../describe.js';
import type { TensorInfo } from '../types.js';
import { encodeHeader, tensorBytes } from './header.js';

/** A tensor to be written; its bytes are asked for when it is its turn, and can be freed after. */
export interface TensorToWrite extends TensorInfo {
  /** The elements, little-endian, row-major: product of `shape` times the element size. */
  readonly bytes: () => Promise<Uint8Array>;
}

/** Written at a time: a signal gets through between two, and progress moves within large tensors. */
const PIECE_BYTES = 8 * 1024 * 1024;

/**
 * Writes a safetensors file, one tensor after another in the order given, through a neighbour that is
 * renamed when complete: on failure or abort nothing is left. Equal input gives an equal file.
 *
 * @param metadata goes into `__metadata__`; the keys are sorted.
 * @returns the size of the file in bytes.
 * @throws {CheckpointError} for two tensors of one name, or bytes that do not match the shape.
 * @throws {OutputError} when the disk is full or the path not writable.
 * @throws {AbortedError} when `signal` fires.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>>,
  { onProgress, signal }: RunOptions = {},
): Promise<number> {
  const list = [...tensors];
  const header = encodeHeader(list, metadata);
  const total = list.reduce((sum, tensor) => sum + tensorBytes(tensor), header.length);
  let done = 0;
  const write = async (file: FileHandle, bytes: Uint8Array, note: string): Promise<void> => {
    for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
      throwIfAborted(signal, path);
      const piece = bytes.subarray(start, start + PIECE_BYTES);
      // Not `write`: that may write a part of a piece without an error.
      await file.writeFile(piece);
      done += piece.length;
      onProgress?.({ phase: 'write', done, total, unit: 'bytes', note });
    }
  };
  await writeFileAtomically(path, async (file) => {
    await write(file, header, 'header');
    for (const tensor of list) {
      throwIfAborted(signal, path);
      const bytes = await tensor.bytes();
      if (bytes.length !== tensorBytes(tensor))
        throw new CheckpointError({
          what: 'the data does not match the shape',
          where: `${path}: tensor ${quoted(tensor.name)}`,
          got: `${bytes.length} bytes`,
          expected: `${tensorBytes(tensor)} for ${tensor.dtype} [${tensor.shape.join(', ')}]`,
        });
      await write(file, bytes, tensor.name);
    }
    throwIfAborted(signal, path);
  });
  return total;
}
