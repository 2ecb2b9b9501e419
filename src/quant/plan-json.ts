import { duplicateKey } from '../checkpoint/safetensors/json-keys.js';
import type { Hierarchy } from '../layout/hierarchy.js';
import { QuantError } from '../util/errors.js';
import { isRecord } from '../util/json.js';
import { requireKnownUnits, type Plan } from './plan.js';
import { schemeFromJson, schemeToJson, type SchemeJson } from './scheme/scheme-json.js';

/*
 * A plan as a file that a person can read and edit:
 *
 *   {
 *     "format": "qslm-plan/1",
 *     "units": {
 *       "*": { "bits": 6, "method": "affine", "granularity": "per-tensor", "range": "min-max" },
 *       "input": { "bits": 1, "method": "sign" },
 *       "attention.0": 4
 *     }
 *   }
 *
 * A bare number is the default scheme at that width; members left out have the defaults.
 */
/** The format of plan files, and its version. */
export const PLAN_FORMAT = 'qslm-plan/1';

/** The JSON of a plan file. */
export interface PlanJson {
  readonly format: typeof PLAN_FORMAT;
  readonly units: Readonly<Record<string, SchemeJson>>;
}

/** The JSON of a plan. */
export function planToJson(plan: Plan): PlanJson {
  const units = [...plan].map(([unit, scheme]) => [unit, schemeToJson(scheme)] as const);
  return { format: PLAN_FORMAT, units: Object.fromEntries(units) };
}

/** The text of a plan file, a unit a line. */
export function formatPlan(plan: Plan): string {
  const { format, units } = planToJson(plan);
  const lines = Object.entries(units).map(
    ([unit, scheme]) =>
      `    ${JSON.stringify(unit)}: ${JSON.stringify(scheme, null, 1).replace(/\n */g, ' ')}`,
  );
  return `{\n  "format": ${JSON.stringify(format)},\n  "units": {\n${lines.join(',\n')}\n  }\n}\n`;
}

/**
 * The plan of a plan file.
 *
 * @param where the file's name, for errors.
 * @param hierarchy if given, units are checked against it, so that the error can name the line.
 * @throws {QuantError} with the line and the unit: broken JSON, another format, a unit twice, an unknown
 *   unit, an unknown scheme option, a bit width out of range.
 */
export function parsePlan(text: string, where = 'plan', hierarchy?: Hierarchy): Plan {
  const json = parseJson(text, where);
  if (!isRecord(json) || json.format !== PLAN_FORMAT || !isRecord(json.units))
    throw new QuantError({
      what: 'not a plan',
      where,
      got: isRecord(json)
        ? `format ${json.format === undefined ? 'missing' : JSON.stringify(json.format)}`
        : typeof json,
      expected: `an object with "format": "${PLAN_FORMAT}" and "units": { unit: scheme }`,
    });
  for (const key of Object.keys(json))
    if (key !== 'format' && key !== 'units')
      throw new QuantError({
        what: 'unknown member',
        where: lineOf(text, where, key),
        got: key,
        expected: 'format, units',
      });
  const long = Object.keys(json.units).find((unit) => unit.length > LONGEST_NAME);
  if (long !== undefined)
    throw new QuantError({
      what: 'not the name of a unit',
      where,
      got: `${long.length} characters that begin with ${JSON.stringify(long.slice(0, 40))}`,
      expected: `at most ${LONGEST_NAME} characters`,
    });
  requireNoDuplicates(text, where);
  const unitLine = (unit: string): string => lineOf(text, where, unit);
  if (hierarchy !== undefined) requireKnownUnits(Object.keys(json.units), hierarchy, unitLine);
  return new Map(
    Object.entries(json.units).map(([unit, scheme]) => [
      unit,
      schemeFromJson(scheme, `${unitLine(unit)}, unit ${unit}`),
    ]),
  );
}

/** A plan of 1,000 blocks, each matrix on a line of its own, takes a fifth of it. */
const LONGEST_PLAN = 4_000_000;
/** A unit's path has some fifty characters. */
const LONGEST_NAME = 1000;

function parseJson(text: string, where: string): unknown {
  if (text.length > LONGEST_PLAN)
    throw new QuantError({
      what: 'too long for a plan',
      where,
      got: `${text.length} characters`,
      expected: `at most ${LONGEST_PLAN}`,
    });
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // V8 names the position, and the line only in newer versions.
    const position = /position (\d+)/.exec(message)?.[1];
    const line = position === undefined ? '' : `, line ${lineAt(text, Number(position))}`;
    const got = message.replace(/ in JSON.*$/s, '');
    const detail = { what: 'broken JSON', where: where + line, got, expected: 'a plan in JSON' };
    throw new QuantError(detail, { cause: error });
  }
}

/** Positions in the text at which a member of that name begins; more than one if it is there twice. */
function positionsOf(text: string, key: string): number[] {
  // Not by an expression made of the key, which may be megabytes long.
  const name = JSON.stringify(key);
  const found: number[] = [];
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + name.length))
    if (/^\s*:/.test(text.slice(at + name.length, at + name.length + 100))) found.push(at);
  return found;
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length;
}

function lineOf(text: string, where: string, key: string): string {
  const position = positionsOf(text, key).at(0);
  return position === undefined ? where : `${where}, line ${lineAt(text, position)}`;
}

/** JSON itself lets the last of two equal names win, which hides an editing slip. */
function requireNoDuplicates(text: string, where: string): void {
  const key = duplicateKey(text);
  if (key === undefined) return;
  const lines = positionsOf(text, key).map((position) => lineAt(text, position));
  throw new QuantError({
    what: 'a name is given twice',
    where: `${where}, ${key}`,
    got: `lines ${lines.join(' and ')}`,
    expected: 'once',
  });
}
