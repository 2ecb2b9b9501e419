import { CheckpointError } from '../util/errors.js';
import type { FileContent } from './content-sums.js';
import { quoted } from './describe.js';
import { decodeFloat32, ITEM_BYTES } from './dtypes.js';
import type { FileSource } from './file-source.js';
import { elementCount, gather, isContiguous, spanElements } from './shape.js';
import type { Checkpoint, CheckpointFormat, TensorInfo } from './types.js';

/** Bytes of the file that hold the elements of one or more tensors. */
export interface Region {
  readonly position: number;
  readonly bytes: number;
  /** CRC-32 where the format records one. */
  readonly crc32?: number;
}

/** A tensor and its place. Whoever makes one has checked that it lies within its region. */
export interface StoredTensor {
  readonly info: TensorInfo;
  readonly region: Region;
  /** Of the first element within the region, in bytes; a multiple of the element size. */
  readonly offset: number;
  /** In elements, one for each dimension. */
  readonly strides: readonly number[];
}

/** The findings of a format's reader on opening. */
export interface Contents {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Elements decoded at a time: the only memory beside the result. */
const PIECE_BYTES = 1 << 20;

/** A {@link Checkpoint} over a file whose tensors have been located. */
export class CheckpointFile implements Checkpoint {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  private readonly intact = new Set<Region>();
  private digest: Promise<string> | undefined;
  private closed = false;

  constructor(
    private readonly source: FileSource,
    readonly format: CheckpointFormat,
    private readonly contents: Contents,
  ) {
    this.path = source.path;
    this.metadata = contents.metadata;
    this.tensors = new Map([...contents.tensors].map(([name, { info }]) => [name, info]));
  }

  async readFloat32(name: string): Promise<Float32Array> {
    const tensor = this.find(name);
    const { dtype, shape } = tensor.info;
    if (dtype === 'float32') {
      const bytes = await this.readBytes(name);
      return new Float32Array(bytes.buffer, 0, bytes.length / 4);
    }
    const values = new Float32Array(elementCount(shape));
    if (!isContiguous(shape, tensor.strides)) {
      decodeFloat32(dtype, await this.readBytes(name), values);
      return values;
    }
    await this.verify(tensor);
    let done = 0;
    const { position, bytes } = extent(tensor);
    await this.source.eachPiece(position, bytes, PIECE_BYTES, (piece) => {
      const end = done + piece.length / ITEM_BYTES[dtype];
      decodeFloat32(dtype, piece, values.subarray(done, end));
      done = end;
    });
    return values;
  }

  async readBytes(name: string): Promise<Uint8Array> {
    const tensor = this.find(name);
    const { dtype, shape } = tensor.info;
    const { position, bytes } = extent(tensor);
    const span = await this.source.read(position, bytes);
    // A tensor that fills its storage, the usual case, is verified without reading it again.
    await this.verify(tensor, bytes === tensor.region.bytes ? span : undefined);
    return isContiguous(shape, tensor.strides) ? span : gather(span, dtype, shape, tensor.strides);
  }

  sha256(): Promise<string> {
    return (this.digest ??= this.source.sha256());
  }

  async content(): Promise<FileContent> {
    await this.sha256();
    return this.source.content;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.source.close();
  }

  private find(name: string): StoredTensor {
    const tensor = this.contents.tensors.get(name);
    if (tensor !== undefined) return tensor;
    throw new CheckpointError({
      what: `there is no tensor ${quoted(name)}`,
      where: this.path,
      got: `${this.tensors.size} other tensors`,
    });
  }

  /** Checks a region's checksum once; `content` is all of the region where the caller holds it. */
  private async verify({ info, region }: StoredTensor, content?: Uint8Array): Promise<void> {
    if (region.crc32 === undefined || this.intact.has(region)) return;
    const { position, bytes } = region;
    const found = content
      ? this.source.crc32Of(content, position)
      : await this.source.crc32(position, bytes);
    if (found !== region.crc32)
      throw new CheckpointError({
        what: `the data of tensor ${quoted(info.name)} is damaged`,
        where: this.path,
        got: `CRC-32 ${hex(found)}`,
        expected: `${hex(region.crc32)}, as recorded in the file`,
      });
    this.intact.add(region);
  }
}

/** The bytes of the file from a tensor's first element to its last. */
function extent({ info, region, offset, strides }: StoredTensor): Region {
  const bytes = spanElements(info.shape, strides) * ITEM_BYTES[info.dtype];
  return { position: region.position + offset, bytes };
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}
