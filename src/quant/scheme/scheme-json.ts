import { QuantError } from '../../util/errors.js';
import { isRecord } from '../../util/json.js';
import { PER_CHANNEL, PER_TENSOR, perGroup, type Granularity } from './granularity.js';
import { isPreset, PRESETS } from './presets.js';
import {
  CALIBRATED,
  createScheme,
  UNQUANTIZED_BITS,
  type Method,
  type Range,
  type Scheme,
} from './scheme.js';

/**
 * A scheme as JSON, short enough to edit: `{ "bits": 4, "method": "affine", "granularity":
 * "per-group(64)", "range": "percentile(99.9)" }`. 32 bits and sign have no other members.
 */
export interface SchemeJson {
  readonly bits: number;
  readonly method?: Method;
  /** "per-tensor", "per-channel" or "per-group(SIZE)". */
  readonly granularity?: string;
  /** "min-max" (widened to hold 0), "min-max-unwidened", "percentile(P)", "mse", "gptq" or "spike-preserving". */
  readonly range?: string;
}

/** The canonical JSON form: equal schemes give equal JSON, and {@link schemeFromJson} gives them back. */
export function schemeToJson({ bits, method, granularity, range }: Scheme): SchemeJson {
  if (bits === UNQUANTIZED_BITS) return { bits };
  if (method === 'sign') return { bits, method };
  const { kind } = granularity;
  const groups = kind === 'per-group' ? `${kind}(${granularity.size})` : kind;
  return { bits, method, granularity: groups, range: rangeText(range) };
}

function rangeText(range: Range): string {
  switch (range.kind) {
    case 'min-max':
      return range.widenToZero ? 'min-max' : 'min-max-unwidened';
    case 'percentile':
      return `percentile(${range.percentile})`;
    case 'mse':
    case 'gptq':
    case 'spike-preserving':
      return range.kind;
  }
}

/** Refuses a scheme's JSON; `key` is the member at fault. */
type Fail = (key: string | undefined, what: string, got: unknown, expected: string) => never;

const METHODS: readonly Method[] = ['affine', 'symmetric', 'sign'];
const KEYS = ['bits', 'method', 'granularity', 'range'];

/**
 * A scheme from what a person may write: a bit width alone (the default scheme), a preset with its bits
 * (`{ "preset": "paper", "bits": 8 }`), or bits with any of the other members.
 *
 * @param where its place, for errors.
 * @throws {QuantError} for an unknown member or word, bits missing or out of range.
 */
export function schemeFromJson(json: unknown, where = 'scheme'): Scheme {
  const fail: Fail = (key, what, got, expected) => {
    throw new QuantError({
      what,
      where: key === undefined ? where : `${where}, ${key}`,
      got: got === undefined ? 'nothing' : JSON.stringify(got),
      expected,
    });
  };
  if (typeof json === 'number') return createScheme({ bits: requireBits(json, fail) }, where);
  if (!isRecord(json))
    return fail(undefined, 'not a scheme', json, 'a bit width, or an object with bits');
  const known = 'preset' in json ? ['preset', 'bits'] : KEYS;
  for (const key of Object.keys(json))
    if (!known.includes(key)) fail(key, 'unknown scheme option', key, known.join(', '));
  const bits = requireBits(json.bits, fail);
  if ('preset' in json) {
    const { preset } = json;
    if (!isPreset(preset))
      return fail('preset', 'unknown preset', preset, Object.keys(PRESETS).join(' or '));
    return PRESETS[preset](bits);
  }
  const { method: word = 'affine', granularity, range } = json;
  const method = METHODS.find((one) => one === word);
  if (method === undefined) return fail('method', 'unknown method', word, METHODS.join(', '));
  return createScheme(
    {
      bits,
      method,
      ...(granularity !== undefined && { granularity: parseGranularity(granularity, fail) }),
      ...(range !== undefined && { range: parseRange(range, fail) }),
    },
    where,
  );
}

function requireBits(bits: unknown, fail: Fail): number {
  return typeof bits === 'number' ? bits : fail('bits', 'no bit width', bits, 'a number');
}

function parseGranularity(text: unknown, fail: Fail): Granularity {
  if (text === 'per-tensor') return PER_TENSOR;
  if (text === 'per-channel') return PER_CHANNEL;
  const size = typeof text === 'string' ? /^per-group\((\d+)\)$/.exec(text)?.[1] : undefined;
  if (size !== undefined && Number(size) >= 1) return perGroup(Number(size));
  const expected = 'per-tensor, per-channel or per-group(SIZE)';
  return fail('granularity', 'unknown granularity', text, expected);
}

function parseRange(text: unknown, fail: Fail): Range {
  if (text === 'min-max') return { kind: 'min-max', widenToZero: true };
  if (text === 'min-max-unwidened') return { kind: 'min-max', widenToZero: false };
  if (text === 'mse') return { kind: 'mse' };
  const calibrated = CALIBRATED.find((kind) => kind === text);
  if (calibrated !== undefined) return { kind: calibrated };
  const percentile =
    typeof text === 'string' ? /^percentile\((\d+(?:\.\d+)?)\)$/.exec(text)?.[1] : undefined;
  if (percentile !== undefined) return { kind: 'percentile', percentile: Number(percentile) };
  const known = `min-max, min-max-unwidened, percentile(P), mse, ${CALIBRATED.join(' or ')}`;
  return fail('range', 'unknown range', text, known);
}
