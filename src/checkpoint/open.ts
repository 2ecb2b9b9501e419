import { CheckpointError } from '../util/errors.js';
import { CheckpointFile, type Contents } from './checkpoint-file.js';
import { quoted } from './describe.js';
import { FileSource } from './file-source.js';
import { readSafetensors } from './safetensors/read.js';
import { readTorchLegacy } from './torch/legacy.js';
import { readTorchZip } from './torch/zip.js';
import type { Checkpoint, CheckpointFormat, FileContent } from './types.js';

const READERS: Readonly<Record<CheckpointFormat, (source: FileSource) => Promise<Contents>>> = {
  'torch-zip': readTorchZip,
  'torch-legacy': readTorchLegacy,
  safetensors: readSafetensors,
};

/** Enough to tell the formats apart: a length of 8 bytes and the brace after it. */
const MAGIC_BYTES = 9;

/**
 * Opens a checkpoint: PyTorch's zip format, the one before 1.6, or safetensors, told apart by their
 * first bytes, not by the file's name. Reads names, types, shapes and positions, and checks that every
 * tensor lies within the file; no values. Close it after use.
 *
 * @param expected the content that another thread has read at this path ({@link Checkpoint.content})
 * @throws {CheckpointError} for a missing, empty, truncated or damaged file, an unknown format, a
 *   pickle that asks for anything but tensors (nothing is executed), content other than expected.
 */
export async function openCheckpoint(path: string, expected?: FileContent): Promise<Checkpoint> {
  const source = await FileSource.open(path, expected);
  try {
    const format = recognize(await source.read(0, Math.min(MAGIC_BYTES, source.size)), path);
    return new CheckpointFile(source, format, await READERS[format](source));
  } catch (error) {
    await source.close();
    throw error;
  }
}

function recognize(head: Uint8Array, path: string): CheckpointFormat {
  // "PK": a local file header, or the directory of an empty zip.
  if (head[0] === 0x50 && head[1] === 0x4b) return 'torch-zip';
  // A pickle's PROTO opcode, protocol 2 to 5.
  if (head[0] === 0x80 && head[1] >= 2 && head[1] <= 5) return 'torch-legacy';
  // After the length of the header, its opening brace.
  if (head.length === MAGIC_BYTES && head[8] === 0x7b) return 'safetensors';
  const hex = [...head].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  throw new CheckpointError({
    what: 'the file is no checkpoint of a known format',
    where: path,
    got: `first bytes ${hex} (${quoted(String.fromCharCode(...head))})`,
    expected:
      '50 4b (PyTorch), 80 02 (PyTorch before 1.6), or a length of 8 bytes and 7b (safetensors)',
  });
}
