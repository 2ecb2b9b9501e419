import { join } from 'node:path';
import { quoted } from '../../checkpoint/describe.js';
import { openCheckpoint } from '../../checkpoint/open.js';
import { writeSafetensors, type TensorToWrite } from '../../checkpoint/safetensors/write.js';
import { elementCount } from '../../checkpoint/shape.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import { cacheHome } from '../../hub/settings.js';
import { CheckpointError } from '../../util/errors.js';
import { makeFolder } from '../../util/files.js';
import { sha256 } from '../../util/hash.js';
import { canonicalJson } from '../../util/json.js';
import { packedLength, packIntegers, unpackIntegers } from '../packed/bit-packing.js';
import { INTEGERS, SCALES, ZERO_POINTS } from '../packed/format.js';
import type { QuantizedTensor } from '../quantizer/quantize.js';
import { groupingOf } from '../scheme/granularity.js';
import { schemeToJson } from '../scheme/scheme-json.js';
import type { Scheme } from '../scheme/scheme.js';

/*
 * Calibrated integers, kept: <home>/calibrated/<calibration>/<scheme>.safetensors, tensors named as in a
 * packed model (format.ts). <calibration> stands for checkpoint, sample and method, <scheme> for the
 * scheme's JSON: a file never changes, and whoever finds it has what another thread or run would find.
 */
const CALIBRATION_KEY = 'qslm.calibration';
const SCHEME_KEY = 'qslm.scheme';
const DIGESTS_KEY = 'qslm.sha256';

/** The folder of kept integers, below one for each calibration. */
export function codesHome(): string {
  return join(cacheHome(), 'calibrated');
}

/** Stands for a scheme in names: 16 hexadecimal digits. */
export function schemeId(scheme: Scheme): string {
  return sha256(canonicalJson(schemeToJson(scheme))).slice(0, 16);
}

/** The place of the integers of a calibration under a scheme, there or not. */
export function codesPath(calibration: string, scheme: Scheme): string {
  return join(codesHome(), calibration, `${schemeId(scheme)}.safetensors`);
}

/**
 * Keeps the integers of all matrices under one scheme. Equal content gives an equal file.
 *
 * @param codes by parameter name.
 * @throws {OutputError} when the folder cannot be written.
 */
export async function writeCodes(
  calibration: string,
  scheme: Scheme,
  codes: ReadonlyMap<string, QuantizedTensor>,
): Promise<void> {
  const path = codesPath(calibration, scheme);
  // Tensors of four-byte elements first, so that they are aligned.
  const wide: TensorToWrite[] = [];
  const packed: TensorToWrite[] = [];
  const digests: Record<string, string> = {};
  for (const [name, { integers, scales, zeroPoints }] of codes) {
    const add = (
      list: TensorToWrite[],
      tensor: Omit<TensorToWrite, 'bytes'>,
      bytes: Uint8Array,
    ): void => {
      list.push({ ...tensor, bytes: () => Promise.resolve(bytes) });
      digests[tensor.name] = sha256(bytes);
    };
    const [of32, scaleBytes] = [[scales.length], new Uint8Array(scales.buffer)];
    add(wide, { name: name + SCALES, dtype: 'float32', shape: of32 }, scaleBytes);
    if (zeroPoints.length > 0)
      add(
        wide,
        { name: name + ZERO_POINTS, dtype: 'int32', shape: [zeroPoints.length] },
        new Uint8Array(zeroPoints.buffer),
      );
    const bytes = packIntegers(integers, scheme.bits);
    add(packed, { name: name + INTEGERS, dtype: 'uint8', shape: [bytes.length] }, bytes);
  }
  await makeFolder(join(path, '..'));
  await writeSafetensors(path, [...wide, ...packed], {
    [CALIBRATION_KEY]: calibration,
    [SCHEME_KEY]: canonicalJson(schemeToJson(scheme)),
    [DIGESTS_KEY]: canonicalJson(digests),
  });
}

/**
 * The integers of one matrix, as they were kept.
 *
 * @throws {CheckpointError} where there are none, or the file is damaged.
 */
export function readCodes(
  calibration: string,
  scheme: Scheme,
  name: string,
  shape: readonly number[],
): Promise<QuantizedTensor> {
  return readCodesFrom(codesPath(calibration, scheme), { calibration, scheme }, name, shape);
}

/**
 * The same, from a file wherever it lies.
 *
 * @param expected without a calibration that of any is taken: for whoever has the file by its hash.
 */
export async function readCodesFrom(
  path: string,
  { calibration, scheme }: { readonly calibration?: string; readonly scheme: Scheme },
  name: string,
  shape: readonly number[],
): Promise<QuantizedTensor> {
  const file = await openCheckpoint(path);
  try {
    const { bits, method, granularity } = scheme;
    const elements = elementCount(shape);
    const digests = digestsOf(file, calibration);
    const read = (suffix: string, length: number): Promise<Uint8Array> =>
      readTensor(file, digests, name + suffix, length);
    const groups = 4 * groupingOf(shape, granularity).count;
    const integers = unpackIntegers(
      await read(INTEGERS, packedLength(elements, bits)),
      bits,
      elements,
      `${file.path}: tensor ${quoted(name)}`,
    );
    const scales = (await read(SCALES, groups)).slice().buffer;
    const zeroPoints =
      method === 'affine' ? (await read(ZERO_POINTS, groups)).slice().buffer : undefined;
    return {
      ...{ shape, scheme, integers },
      scales: new Float32Array(scales),
      zeroPoints: zeroPoints ? new Int32Array(zeroPoints) : new Int32Array(0),
    };
  } finally {
    await file.close();
  }
}

function digestsOf(file: Checkpoint, calibration: string | undefined): Record<string, unknown> {
  const found = file.metadata[CALIBRATION_KEY] as string | undefined;
  if (calibration !== undefined && found !== calibration)
    throw new CheckpointError({
      what: 'not the integers of this calibration',
      where: `${file.path}: metadata ${CALIBRATION_KEY}`,
      got: found ?? 'nothing',
      expected: calibration,
    });
  try {
    return JSON.parse(file.metadata[DIGESTS_KEY]) as Record<string, unknown>;
  } catch {
    // The digest of each tensor will be missing, which is what is wrong.
    return {};
  }
}

async function readTensor(
  file: Checkpoint,
  digests: Record<string, unknown>,
  name: string,
  length: number,
): Promise<Uint8Array> {
  const bytes = await file.readBytes(name);
  const found = sha256(bytes);
  if (bytes.length === length && found === digests[name]) return bytes;
  throw new CheckpointError({
    what: 'kept integers were edited or damaged',
    where: `${file.path}: tensor ${quoted(name)}`,
    got: `${bytes.length} bytes, SHA-256 ${found}`,
    expected: `${length} bytes as they were written; without the file they are found again`,
  });
}
