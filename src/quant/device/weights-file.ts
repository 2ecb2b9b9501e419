import { crc32 } from 'node:zlib';
import { QuantError } from '../../util/errors.js';
import type { QuantizedTensor } from '../quantizer/quantize.js';
import { groupingOf } from '../scheme/granularity.js';
import type { DeviceUse } from './form.js';
import { packTiles, tileFloats } from './planes.js';

/*
 * The weights file of a device; c/weights.c describes it, and refuses what does not keep to it.
 */
const MAGIC = 'qslm-c\0\0';
const VERSION = 1;
/** Before the constants: magic, version, size, checksum, place and bytes of the vocabulary, two counts. */
const HEADER_BYTES = 36;
const TENSOR_BYTES = 32;
/** The checksum is over all bytes from here on. */
const CHECKED_FROM = 20;
/** Offsets are uint32. */
const MOST_BYTES = 2 ** 32 - 1;

/** A tensor as the file holds it: [rows, columns], of a product [in, out]. */
export interface StoredTensor {
  /** 1 to 16; 32: float32. */
  readonly bits: number;
  readonly rows: number;
  readonly columns: number;
  /** Rows and columns that share a scale. */
  readonly rowGroup: number;
  readonly columnGroup: number;
  /** [ceil(rows / rowGroup), ceil(columns / columnGroup)]; empty where the integers are the values. */
  readonly scales: Float32Array;
  /** Of the same shape; empty where all are 2^(bits − 1). */
  readonly zeros: Float32Array;
  readonly data: Uint8Array;
}

const NONE = new Float32Array(0);

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Rows and columns of a parameter [out, in] for a use. */
function extentOf(shape: readonly number[], use: DeviceUse): [rows: number, columns: number] {
  if (use === 'vector') return [1, shape.reduce((product, length) => product * length, 1)];
  return use === 'product' ? [shape[1], shape[0]] : [shape[0], shape[1]];
}

/** x [rows, columns] → [columns, rows]. */
function transposed<T extends Float32Array | Uint16Array>(x: T, rows: number, out: T): T {
  const columns = x.length / rows;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = x[row * columns + column];
  return out;
}

/**
 * A parameter in float32, for any use.
 *
 * @param values as a plan has them, in the checkpoint's layout
 */
export function storedValues(
  values: Float32Array,
  shape: readonly number[],
  use: DeviceUse,
): StoredTensor {
  const [rows, columns] = extentOf(shape, use);
  const whole = { rows, columns, rowGroup: rows, columnGroup: columns, scales: NONE, zeros: NONE };
  if (use === 'signs') {
    const spikes = Uint16Array.from(values, (value) => (value >= 0 ? 1 : 0));
    return { ...whole, bits: 1, data: packTiles(spikes, rows, columns, 1) };
  }
  const laid =
    use === 'product' ? transposed(values, columns, new Float32Array(values.length)) : values;
  return { ...whole, bits: 32, data: bytesOf(tileFloats(laid, rows, columns)) };
}

/** A quantized matrix for a product or for looking rows up. */
export function storedIntegers(tensor: QuantizedTensor, use: 'lookup' | 'product'): StoredTensor {
  const { shape, scheme, integers, zeroPoints } = tensor;
  const { bits, granularity, method } = scheme;
  const [rows, columns] = extentOf(shape, use);
  const middle = 2 ** (bits - 1);
  const unsigned = Uint16Array.from(integers, (q) => q + middle);
  const { rowLength, groupLength, count } = groupingOf(shape, granularity);
  const perTensor = granularity.kind === 'per-tensor';
  // Groups as they are counted in the checkpoint's layout: [out, groups of a row].
  const laid = (values: Float32Array): Float32Array =>
    use === 'product' && !perTensor
      ? transposed(values, shape[0], new Float32Array(values.length))
      : values;
  const along = perTensor ? rowLength : groupLength;
  const groups =
    use === 'product'
      ? { rowGroup: perTensor ? rows : along, columnGroup: perTensor ? columns : 1 }
      : { rowGroup: perTensor ? rows : 1, columnGroup: perTensor ? columns : along };
  if (tensor.scales.length !== count)
    throw new QuantError({
      what: 'not a scale for each group',
      where: 'device weights',
      got: String(tensor.scales.length),
      expected: String(count),
    });
  const data =
    use === 'product' ? transposed(unsigned, columns, new Uint16Array(unsigned.length)) : unsigned;
  return {
    ...{ bits, rows, columns, ...groups },
    scales: laid(tensor.scales),
    zeros:
      method === 'affine' ? laid(Float32Array.from(zeroPoints, (zero) => zero + middle)) : NONE,
    data: packTiles(data, rows, columns, bits),
  };
}

/**
 * The bytes of a weights file.
 *
 * @param constants that the C text has too
 * @param vocabulary the bytes of each token; none where it is not known
 * @throws {QuantError} for more than 4 GB
 */
export function encodeWeights(
  constants: readonly number[],
  tensors: readonly StoredTensor[],
  vocabulary: readonly Uint8Array[],
): Uint8Array {
  const parts: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  let end = HEADER_BYTES + 4 * constants.length + TENSOR_BYTES * tensors.length;
  const place = (bytes: Uint8Array): number => {
    if (bytes.length === 0) return 0;
    const at = end;
    parts.push({ at, bytes });
    end += Math.ceil(bytes.length / 4) * 4;
    return at;
  };
  const entries = tensors.map((tensor) => {
    const { bits, rows, columns, rowGroup, columnGroup, scales, zeros, data } = tensor;
    const places = [place(bytesOf(scales)), place(bytesOf(zeros)), place(data)];
    return [bits, rows, columns, rowGroup, columnGroup, ...places];
  });
  const lengths = Uint8Array.from(vocabulary, ({ length }) => length);
  const spelled = Buffer.concat([lengths, ...vocabulary]);
  const vocabularyAt = place(spelled);
  if (end > MOST_BYTES)
    throw new QuantError({
      what: 'too large for a device',
      where: 'weights file',
      got: `${end} bytes`,
      expected: `at most ${MOST_BYTES}, which its offsets can tell`,
    });
  const file = Buffer.alloc(end);
  file.write(MAGIC, 'latin1');
  const counts = [vocabularyAt, spelled.length, constants.length, tensors.length];
  const words = [VERSION, end, 0, ...counts, ...constants, ...entries.flat()];
  words.forEach((word, index) => file.writeUInt32LE(word, MAGIC.length + 4 * index));
  for (const { at, bytes } of parts) file.set(bytes, at);
  file.writeUInt32LE(crc32(file.subarray(CHECKED_FROM)), CHECKED_FROM - 4);
  return file;
}
