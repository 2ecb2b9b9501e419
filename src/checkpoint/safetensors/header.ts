/**
 * The header of a safetensors file: its length as a little-endian 64-bit integer, then JSON that maps
 * each tensor's name to type, shape and position (github huggingface/safetensors, README "Format").
 */
import { CheckpointError } from '../../util/errors.js';
import { longKey } from '../../util/json-text.js';
import { isRecord } from '../../util/json.js';
import { describe, quoted } from '../describe.js';
import { ITEM_BYTES, type Dtype } from '../dtypes.js';
import { MAX_NAME_CHARACTERS, MAX_SAFETENSORS_HEADER_BYTES } from '../limits.js';
import { elementCount } from '../shape.js';
import type { TensorInfo } from '../types.js';
import { duplicateKey } from './json-keys.js';

/** Bytes of the length in front of the JSON. */
export const LENGTH_BYTES = 8;
/** The JSON is padded with spaces so that the data begins at a multiple of this. */
const ALIGNMENT = 8;
const METADATA_KEY = '__metadata__';

type Members = Readonly<Record<string, unknown>>;

const DTYPE_NAMES: Readonly<Record<Dtype, string>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  uint64: 'U64',
  int32: 'I32',
  uint32: 'U32',
  int16: 'I16',
  uint16: 'U16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};
const DTYPES_BY_NAME = new Map(
  Object.entries(DTYPE_NAMES).map(([dtype, name]) => [name, dtype as Dtype]),
);

/** A tensor and its bytes [begin, end) counted from the end of the header. */
export interface HeaderEntry {
  readonly info: TensorInfo;
  readonly begin: number;
  readonly end: number;
}

/** A header without its text. */
export interface Header {
  /** By position in the file. */
  readonly entries: readonly HeaderEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes of a tensor's data. */
export function tensorBytes({ dtype, shape }: Pick<TensorInfo, 'dtype' | 'shape'>): number {
  return elementCount(shape) * ITEM_BYTES[dtype];
}

/**
 * The header, its length included: the file is this and the tensors' bytes one after another. Equal
 * input gives equal bytes: tensors in the order given, metadata by key in code-unit order.
 *
 * @throws {CheckpointError} for two tensors of one name, or one named `__metadata__`.
 */
export function encodeHeader(
  tensors: readonly TensorInfo[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const names = new Set([METADATA_KEY]);
  // Put together by hand: an object would move keys that look like numbers to the front.
  const members: string[] = [];
  if (Object.keys(metadata).length > 0) {
    const pairs = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
    const text = pairs.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    members.push(`"${METADATA_KEY}":{${text.join(',')}}`);
  }
  let begin = 0;
  for (const { name, dtype, shape } of tensors) {
    if (names.has(name))
      throw new CheckpointError({
        what: 'two tensors would have one name',
        where: 'safetensors header',
        got: quoted(name),
        expected: `different names, none of them ${METADATA_KEY}`,
      });
    names.add(name);
    const end = begin + tensorBytes({ dtype, shape });
    const entry = { dtype: DTYPE_NAMES[dtype], shape, data_offsets: [begin, end] };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    begin = end;
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  if (json.length > MAX_SAFETENSORS_HEADER_BYTES - ALIGNMENT)
    throw new CheckpointError({
      what: 'the header would be larger than any that is read',
      where: 'safetensors header',
      got: `${json.length} bytes for ${tensors.length} tensors`,
      expected: `at most ${MAX_SAFETENSORS_HEADER_BYTES}`,
    });
  const length = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, LENGTH_BYTES);
  return header;
}

/**
 * Reads the JSON part of a header and checks that the tensors fill the data exactly.
 *
 * @param dataBytes bytes of the file after the header.
 * @throws {CheckpointError} for text that is no such header, unknown types, a size that does not match
 *   the shape, tensors that overlap, leave gaps or reach beyond the file.
 */
export function parseHeader(json: Uint8Array, dataBytes: number, site: string): Header {
  const long = longKey(json, MAX_NAME_CHARACTERS);
  if (long !== undefined)
    throw refusal(
      site,
      'a name is too long',
      `byte ${long}`,
      `at most ${MAX_NAME_CHARACTERS} bytes`,
    );
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json);
    parsed = JSON.parse(text);
  } catch (error) {
    const got = error instanceof Error ? describe(error.message) : 'other bytes';
    const detail = { what: 'the header is no JSON', where: site, got, expected: 'a JSON object' };
    throw new CheckpointError(detail, { cause: error });
  }
  const members = asObject(parsed, site, 'the header');
  const twice = duplicateKey(text);
  if (twice !== undefined)
    throw refusal(site, 'a name is there twice', quoted(twice), 'different names');
  const entries: HeaderEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(members)) {
    if (name === METADATA_KEY) metadata = parseMetadata(value, site);
    else entries.push(parseEntry(name, value, `${site}: tensor ${quoted(name)}`));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  requireExactCover(entries, dataBytes, site);
  return { entries, metadata };
}

function parseMetadata(value: unknown, site: string): Record<string, string> {
  const pairs = Object.entries(asObject(value, site, METADATA_KEY));
  return Object.fromEntries(
    pairs.map(([key, text]) => {
      if (typeof text === 'string') return [key, text];
      throw refusal(site, `metadata ${quoted(key)} is no text`, describe(text), 'text');
    }),
  );
}

function parseEntry(name: string, value: unknown, where: string): HeaderEntry {
  const { dtype: typeName, shape, data_offsets: offsets } = asObject(value, where, 'the entry');
  const dtype = typeof typeName === 'string' ? DTYPES_BY_NAME.get(typeName) : undefined;
  if (dtype === undefined) {
    const known = [...DTYPES_BY_NAME.keys()].join(', ');
    throw refusal(where, 'the element type is unknown', describe(typeName), `one of ${known}`);
  }
  if (!isSizes(shape)) throw refusal(where, 'the shape is no list of sizes', describe(shape));
  if (!isSizes(offsets) || offsets.length !== 2)
    throw refusal(where, 'data_offsets is no pair of positions', describe(offsets));
  const [begin, end] = offsets;
  const info = { name, dtype, shape };
  if (end - begin !== tensorBytes(info))
    throw refusal(
      where,
      'the data does not match the shape',
      `${end - begin} bytes`,
      `${tensorBytes(info)} for ${dtype} [${shape.slice(0, 8).join(', ')}]`,
    );
  return { info, begin, end };
}

/** The format wants each byte to belong to one tensor: no gaps, no overlaps, nothing at the end. */
function requireExactCover(entries: readonly HeaderEntry[], dataBytes: number, site: string): void {
  let position = 0;
  for (const { info, begin, end } of entries) {
    const where = `${site}: tensor ${quoted(info.name)}`;
    if (end > dataBytes)
      throw refusal(
        where,
        'the file is truncated, or the tensor points beyond its end',
        `${dataBytes} bytes of data`,
        `at least ${end}`,
      );
    if (begin !== position)
      throw refusal(
        where,
        begin < position ? 'the tensor overlaps another' : 'there is a gap before the tensor',
        `begin ${begin}`,
        `${position}, where the one before it ends`,
      );
    position = end;
  }
  if (position !== dataBytes)
    throw refusal(site, 'there are bytes after the last tensor', `${dataBytes}`, `${position}`);
}

function asObject(value: unknown, where: string, subject: string): Members {
  if (isRecord(value)) return value;
  throw refusal(where, `${subject} is no JSON object`, describe(value), 'an object');
}

/** True for a list of integers from 0 on. */
export function isSizes(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.every((n: unknown) => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0)
  );
}

function refusal(where: string, what: string, got: string, expected?: string): CheckpointError {
  return new CheckpointError({ what, where, got, ...(expected === undefined ? {} : { expected }) });
}
