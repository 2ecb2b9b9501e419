import { quoted } from '../../checkpoint/describe.js';
import { isSizes } from '../../checkpoint/safetensors/header.js';
import { CheckpointError } from '../../util/errors.js';
import { sha256 } from '../../util/hash.js';
import { canonicalJson } from '../../util/json.js';

/*
 * A quantized model as a safetensors file. A quantized matrix W is stored as
 *
 *   W.integers     uint8   packed, lowest bit first (bit-packing.ts), [ceil(elements · bits / 8)]
 *   W.scales       float32 [groups]; not for sign
 *   W.zero_points  int32   [groups]; affine only
 *
 * and everything else as float32 under its own name. The metadata holds the plan, the shapes of quantized
 * matrices, the SHA-256 of each stored tensor, and a digest over the header. The data are exactly the bytes
 * that the footprint counts. Four-byte tensors come first, so that all of them are aligned.
 */
/** The format of packed files, and its version. */
export const PACKED_FORMAT = 'qslm-packed/1';

/** Suffix of the packed integers of a matrix. */
export const INTEGERS = '.integers';
/** Suffix of its scales. */
export const SCALES = '.scales';
/** Suffix of its zero points. */
export const ZERO_POINTS = '.zero_points';

/** Keys of ours in the metadata; others are the model's own and are passed on. */
const PREFIX = 'qslm.';
const FORMAT_KEY = 'qslm.format';
const PLAN_KEY = 'qslm.plan';
const PLAN_ID_KEY = 'qslm.plan_id';
const SHAPES_KEY = 'qslm.shapes';
const SHA256_KEY = 'qslm.sha256';
const DIGEST_KEY = 'qslm.digest';

type Metadata = Readonly<Record<string, string>>;

/** A tensor as the header describes it. */
export interface StoredInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** The content of a packed file's metadata. */
export interface PackedHeader {
  /** The text of a plan file. */
  readonly plan: string;
  readonly planId: string;
  /** Shape of each quantized matrix, by parameter name. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** SHA-256 of each stored tensor's bytes. */
  readonly sha256: ReadonlyMap<string, string>;
  /** The model's own metadata: `embedding`, `context_length`. */
  readonly model: Metadata;
}

/** True for the metadata of a file that says that it is packed. */
export function isPacked(metadata: Metadata): boolean {
  return FORMAT_KEY in metadata;
}

/** The metadata of a packed file. */
export function encodePackedHeader(
  header: PackedHeader,
  stored: readonly StoredInfo[],
): Record<string, string> {
  const own = Object.entries(header.model).filter(([key]) => !key.startsWith(PREFIX));
  const metadata = {
    ...Object.fromEntries(own),
    [FORMAT_KEY]: PACKED_FORMAT,
    [PLAN_KEY]: header.plan,
    [PLAN_ID_KEY]: header.planId,
    [SHAPES_KEY]: JSON.stringify(Object.fromEntries(header.shapes)),
    [SHA256_KEY]: JSON.stringify(Object.fromEntries(header.sha256)),
  };
  return { ...metadata, [DIGEST_KEY]: digestOf(metadata, stored) };
}

/** Over every byte of meaning in the header: metadata, names, types, shapes. */
function digestOf(metadata: Metadata, stored: readonly StoredInfo[]): string {
  const tensors = stored.map(({ name, dtype, shape }) => [name, dtype, shape]);
  return sha256(canonicalJson({ metadata, tensors }));
}

/**
 * Reads the metadata of a packed file.
 *
 * @param path for errors.
 * @throws {CheckpointError} for another version of the format, or a header that was edited.
 */
export function parsePackedHeader(
  metadata: Metadata,
  stored: readonly StoredInfo[],
  path: string,
): PackedHeader {
  const read = (key: string): string => {
    const value = metadata[key] as string | undefined;
    if (value === undefined)
      throw new CheckpointError({ what: 'metadata is missing', where: path, expected: key });
    return value;
  };
  const format = read(FORMAT_KEY);
  if (format !== PACKED_FORMAT)
    throw new CheckpointError({
      what: 'unknown version of the packed format',
      where: `${path}: metadata ${FORMAT_KEY}`,
      got: quoted(format),
      expected: PACKED_FORMAT,
    });
  const digest = read(DIGEST_KEY);
  const rest = Object.entries(metadata).filter(([key]) => key !== DIGEST_KEY);
  const expected = digestOf(Object.fromEntries(rest), stored);
  if (digest !== expected)
    throw new CheckpointError({
      what: 'the header was edited or damaged',
      where: `${path}: metadata ${DIGEST_KEY}`,
      got: quoted(digest),
      expected,
    });
  const isText = (value: unknown): value is string => typeof value === 'string';
  const isShape = (value: unknown): value is number[] => isSizes(value) && !value.includes(0);
  return {
    plan: read(PLAN_KEY),
    planId: read(PLAN_ID_KEY),
    shapes: jsonMap(read(SHAPES_KEY), isShape, `${path}: metadata ${SHAPES_KEY}`),
    sha256: jsonMap(read(SHA256_KEY), isText, `${path}: metadata ${SHA256_KEY}`),
    model: Object.fromEntries(rest.filter(([key]) => !key.startsWith(PREFIX))),
  };
}

/** A JSON object as a map, its values checked. */
function jsonMap<T>(
  text: string,
  isValue: (value: unknown) => value is T,
  where: string,
): Map<string, T> {
  const object = parseJson(text);
  const entries = Object.entries(object ?? {});
  const bad = entries.find(([, value]) => !isValue(value));
  if (object !== undefined && bad === undefined) return new Map(entries as [string, T][]);
  throw new CheckpointError({
    what: 'the metadata makes no sense',
    where,
    got: quoted(bad === undefined ? text : bad[0]),
    expected: 'an object with an entry for each tensor',
  });
}

function parseJson(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
