import type { FileContent } from './content-sums.js';
import type { Dtype } from './dtypes.js';

export type { FileContent } from './content-sums.js';
export type { Dtype, FloatDtype } from './dtypes.js';

/** A tensor of a checkpoint, without its values. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: Dtype;
  /** Row-major sizes, slowest dimension first; [] for a scalar. */
  readonly shape: readonly number[];
}

/** The formats that can be read. */
export type CheckpointFormat = 'torch-zip' | 'torch-legacy' | 'safetensors';

/** A checkpoint without its values: what is known of it before any weight is read. */
export interface CheckpointListing {
  readonly path: string;
  readonly format: CheckpointFormat;
  /** In the order of the file. PyTorch's `module.` prefix (DataParallel) is taken off. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * safetensors: its `__metadata__`. PyTorch: strings, numbers and booleans that lie beside the
   * weights in the top-level dictionary ("epoch"), as text.
   */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * An open checkpoint. Names, types, shapes and the place of every tensor in the file were checked on
 * opening; values are read when asked for, one tensor at a time, by position. Bytes that were read once, for
 * a value or for the hash, are read again as the same bytes or not at all.
 */
export interface Checkpoint extends CheckpointListing {
  /**
   * The values as float32, row-major, [product of the shape]. Memory used: the result, plus the
   * tensor's bytes where it is stored with strides.
   *
   * @throws {CheckpointError} for an unknown name, a checksum that does not match, a failing disk.
   */
  readFloat32(name: string): Promise<Float32Array>;

  /** The elements as stored (little-endian), row-major, without conversion. Throws as `readFloat32`. */
  readBytes(name: string): Promise<Uint8Array>;

  /** SHA-256 of the whole file, lower-case hex; computed on the first call. */
  sha256(): Promise<string>;

  /**
   * The content that {@link sha256} is of, to open the same path with in another thread; absent where values
   * come from no file.
   */
  content?(): Promise<FileContent>;

  /** Closes the file. Reading afterwards throws. */
  close(): Promise<void>;
}
