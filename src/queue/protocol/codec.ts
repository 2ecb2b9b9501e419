import * as v from 'valibot';
import type { VerdictQuestion } from '../../experiment/scoring/verdict.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import { schemeFromJson, schemeToJson, type SchemeJson } from '../../quant/scheme/scheme-json.js';
import type { Scheme } from '../../quant/scheme/scheme.js';
import { METRIC_NAMES } from '../../tasks/metrics/metrics.js';
import type { BatchScores } from '../../tasks/task.js';
import { QueueError } from '../../util/errors.js';

/*
 * Plain JSON for what crosses the network. Numbers that are measured go as the bytes of typed arrays
 * (little-endian, in base64): JSON has no NaN, no infinity and no −0.
 */

type Numbers = Int32Array | Float32Array | Float64Array;
type Kind<T extends Numbers> = { new (buffer: ArrayBuffer): T; readonly BYTES_PER_ELEMENT: number };

/** The bytes of a typed array as text. */
export function toBase64(values: Numbers | Uint8Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

/** Text of base64 that decodes to whole elements. */
const base64 = <T extends Numbers>(Type: Kind<T>) =>
  v.pipe(
    v.string(),
    v.regex(/^[A-Za-z0-9+/]*={0,2}$/),
    v.check((text) => Buffer.byteLength(text, 'base64') % Type.BYTES_PER_ELEMENT === 0),
    v.transform((text): T => {
      const bytes = Buffer.from(text, 'base64');
      // A copy: a buffer of Node's pool may begin anywhere.
      const whole = new Uint8Array(bytes.length - (bytes.length % Type.BYTES_PER_ELEMENT));
      whole.set(bytes.subarray(0, whole.length));
      return new Type(whole.buffer);
    }),
  );

export const int32 = base64<Int32Array>(Int32Array);
export const float32 = base64<Float32Array>(Float32Array);
export const float64 = base64<Float64Array>(Float64Array);

export const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 40));
export const name = v.pipe(v.string(), v.maxLength(4096));
export const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
export const id = v.pipe(v.string(), v.regex(/^[0-9A-Za-z_.-]{1,80}$/));
export const arithmetic = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
/** A finite number as JSON has it, or one that it has not. */
const number = v.union([
  v.pipe(v.number(), v.finite()),
  v.pipe(
    v.picklist(['Infinity', '-Infinity', 'NaN', '-0']),
    v.transform((text) => Number(text)),
  ),
]);
const toNumber = (value: number): number | string =>
  Number.isFinite(value) && !Object.is(value, -0)
    ? value
    : Object.is(value, -0)
      ? '-0'
      : String(value);

const MOST_MATRICES = 100_000;

/** Matrix → scheme, in the order of the network. */
export const planJson = v.pipe(
  v.array(v.tuple([name, v.looseObject({})])),
  v.maxLength(MOST_MATRICES),
  v.rawTransform(({ dataset, addIssue, NEVER }): ResolvedPlan => {
    const plan = new Map<string, Scheme>();
    try {
      for (const [matrix, scheme] of dataset.value) plan.set(matrix, schemeFromJson(scheme));
      return plan;
    } catch (error) {
      addIssue({ message: error instanceof Error ? error.message : 'not a scheme' });
      return NEVER;
    }
  }),
);
export type PlanJson = readonly (readonly [name: string, scheme: SchemeJson])[];

export function planToJson(plan: ResolvedPlan): PlanJson {
  return [...plan].map(([matrix, scheme]) => [matrix, schemeToJson(scheme)] as const);
}

export const questionJson = v.strictObject({
  need: v.picklist(['exact', 'exact-if-passes', 'verdict']),
  limit: v.strictObject({
    metric: v.picklist(METRIC_NAMES),
    baseline: number,
    allowedLoss: number,
  }),
  items: count,
  tokens: count,
}) satisfies v.GenericSchema<unknown, VerdictQuestion>;

export function questionToJson({ need, limit, items, tokens }: VerdictQuestion): object {
  const { metric, baseline, allowedLoss } = limit;
  const numbers = { baseline: toNumber(baseline), allowedLoss: toNumber(allowedLoss) };
  return { need, limit: { metric, ...numbers }, items, tokens };
}

export const scoresJson = v.pipe(
  v.array(
    v.strictObject({
      indices: int32,
      values: float64,
      margins: v.exactOptional(float64),
      tokenNll: v.exactOptional(float32),
    }),
  ),
  v.maxLength(1_000_000),
);

export function scoresToJson(scores: readonly BatchScores[]): object[] {
  return scores.map(({ indices, values, margins, tokenNll }) => ({
    indices: toBase64(indices),
    values: toBase64(values),
    ...(margins && { margins: toBase64(margins) }),
    ...(tokenNll && { tokenNll: toBase64(tokenNll) }),
  }));
}

/** @throws {QueueError} for what is not of the schema; `where` names it. */
export function checked<T>(schema: v.GenericSchema<unknown, T>, value: unknown, where: string): T {
  const { success, output, issues } = v.safeParse(schema, value, { abortEarly: true });
  if (success) return output;
  const [issue] = issues;
  const path = v.getDotPath(issue);
  throw new QueueError({
    what: 'a message that makes no sense',
    where: path === null ? where : `${where}, ${path.slice(0, 200)}`,
    got: issue.message.slice(0, 300),
    expected: 'one of this version of qslm',
  });
}

/** {@link checked} for a text of JSON of at most so many characters. */
export function parsed<T>(
  schema: v.GenericSchema<unknown, T>,
  text: string,
  where: string,
  mostCharacters = 1e6,
): T {
  const refuse = (got: string, expected: string): never => {
    throw new QueueError({ what: 'a message that makes no sense', where, got, expected });
  };
  if (text.length > mostCharacters)
    return refuse(`${text.length} characters`, `at most ${mostCharacters}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('no JSON', 'JSON');
  }
  return checked(schema, value, where);
}
