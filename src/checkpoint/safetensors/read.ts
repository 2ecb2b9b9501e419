import { CheckpointError } from '../../util/errors.js';
import type { Contents, StoredTensor } from '../checkpoint-file.js';
import type { FileSource } from '../file-source.js';
import { MAX_SAFETENSORS_HEADER_BYTES } from '../limits.js';
import { rowMajorStrides } from '../shape.js';
import { LENGTH_BYTES, parseHeader } from './header.js';

/**
 * Opens a safetensors file: the header is read, tensors only located.
 *
 * @throws {CheckpointError} for a truncated file, a header that is too large or damaged, tensors that
 *   overlap, leave gaps, reach beyond the file or do not match their shape.
 */
export async function readSafetensors(source: FileSource): Promise<Contents> {
  const site = `${source.path}: safetensors header`;
  const length = await headerLength(source, site);
  const start = LENGTH_BYTES + length;
  const json = await source.read(LENGTH_BYTES, length);
  const { entries, metadata } = parseHeader(json, source.size - start, site);
  const tensors = new Map<string, StoredTensor>();
  for (const { info, begin, end } of entries) {
    const region = { position: start + begin, bytes: end - begin };
    tensors.set(info.name, { info, region, offset: 0, strides: rowMajorStrides(info.shape) });
  }
  return { tensors, metadata };
}

async function headerLength(source: FileSource, site: string): Promise<number> {
  const bytes = await source.read(0, LENGTH_BYTES);
  const length = new DataView(bytes.buffer).getBigUint64(0, true);
  const available = source.size - LENGTH_BYTES;
  if (length > BigInt(MAX_SAFETENSORS_HEADER_BYTES))
    throw new CheckpointError({
      what: 'the header is too large',
      where: site,
      got: `${length.toString()} bytes`,
      expected: `at most ${MAX_SAFETENSORS_HEADER_BYTES}, enough for 50,000 tensors`,
    });
  if (length > BigInt(available))
    throw new CheckpointError({
      what: 'the file is truncated within its header',
      where: site,
      got: `${available} bytes after the length`,
      expected: `at least ${length.toString()}`,
    });
  return Number(length);
}
