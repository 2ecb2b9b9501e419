import { QuantError } from '../../util/errors.js';
import { PER_CHANNEL, PER_TENSOR, perGroup, type Granularity } from './granularity.js';
import { isPreset, PRESETS } from './presets.js';
import { createScheme, UNQUANTIZED_BITS, type Method, type Range, type Scheme } from './scheme.js';

/**
 * A scheme as JSON, short enough to edit: `{ "bits": 4, "method": "affine", "granularity":
 * "per-group(64)", "range": "percentile(99.9)" }`. 32 bits and sign have no other members.
 */
export interface SchemeJson {
  readonly bits: number;
  readonly method?: Method;
  /** "per-tensor", "per-channel" or "per-group(SIZE)". */
  readonly granularity?: string;
  /** "min-max" (widened to hold 0), "min-max-unwidened", "percentile(P)" or "mse". */
  readonly range?: string;
}

/** The canonical JSON form: equal schemes give equal JSON, and {@link schemeFromJson} gives them back. */
export function schemeToJson({ bits, method, granularity, range }: Scheme): SchemeJson {
  if (bits === UNQUANTIZED_BITS) return { bits };
  if (method === 'sign') return { bits, method };
  return { bits, method, granularity: granularityText(granularity), range: rangeText(range) };
}

function granularityText(granularity: Granularity): string {
  return granularity.kind === 'per-group' ? `per-group(${granularity.size})` : granularity.kind;
}

function rangeText(range: Range): string {
  switch (range.kind) {
    case 'min-max':
      return range.widenToZero ? 'min-max' : 'min-max-unwidened';
    case 'percentile':
      return `percentile(${range.percentile})`;
    case 'mse':
      return 'mse';
  }
}

/** What went wrong where inside a scheme's JSON; `key` is the member at fault. */
type Fail = (key: string | undefined, what: string, got: unknown, expected: string) => never;

const METHODS: readonly Method[] = ['affine', 'symmetric', 'sign'];
const KEYS = ['bits', 'method', 'granularity', 'range'];

/**
 * A scheme from what a person may write: a bit width alone (the default scheme), a preset with its bits
 * (`{ "preset": "paper", "bits": 8 }`), or bits with any of the other members.
 *
 * @param where what to name in an error.
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
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return fail(undefined, 'not a scheme', json, 'a bit width, or an object with bits');
  const members: Readonly<Record<string, unknown>> = { ...json };
  const known = 'preset' in members ? ['preset', 'bits'] : KEYS;
  for (const key of Object.keys(members))
    if (!known.includes(key)) fail(key, 'unknown scheme option', key, known.join(', '));
  const bits = requireBits(members.bits, fail);
  if ('preset' in members) {
    const { preset } = members;
    if (!isPreset(preset))
      return fail('preset', 'unknown preset', preset, Object.keys(PRESETS).join(' or '));
    return PRESETS[preset](bits);
  }
  const { method = 'affine', granularity, range } = members;
  if (!isMethod(method)) return fail('method', 'unknown method', method, METHODS.join(', '));
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

function isMethod(word: unknown): word is Method {
  return METHODS.some((method) => method === word);
}

function parseGranularity(text: unknown, fail: Fail): Granularity {
  if (text === 'per-tensor') return PER_TENSOR;
  if (text === 'per-channel') return PER_CHANNEL;
  const size = typeof text === 'string' ? /^per-group\((\d+)\)$/.exec(text)?.[1] : undefined;
  if (size !== undefined && Number(size) >= 1) return perGroup(Number(size));
  return fail(
    'granularity',
    'unknown granularity',
    text,
    'per-tensor, per-channel or per-group(SIZE)',
  );
}

function parseRange(text: unknown, fail: Fail): Range {
  if (text === 'min-max') return { kind: 'min-max', widenToZero: true };
  if (text === 'min-max-unwidened') return { kind: 'min-max', widenToZero: false };
  if (text === 'mse') return { kind: 'mse' };
  const percentile =
    typeof text === 'string' ? /^percentile\((\d+(?:\.\d+)?)\)$/.exec(text)?.[1] : undefined;
  if (percentile !== undefined) return { kind: 'percentile', percentile: Number(percentile) };
  return fail('range', 'unknown range', text, 'min-max, min-max-unwidened, percentile(P) or mse');
}
