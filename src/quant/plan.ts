import { QuantError } from '../util/errors.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';
import { blockOf, covers } from '../layout/blocks.js';
import {
  matricesOf,
  matricesOfUnit,
  unitPaths,
  type Hierarchy,
  type Matrix,
} from '../layout/hierarchy.js';
import { affineMinMax, UNQUANTIZED, UNQUANTIZED_BITS, type Scheme } from './scheme/scheme.js';
import { schemeToJson } from './scheme/scheme-json.js';

/**
 * Which unit gets which scheme. A unit path is "*" (everything), a block ("attention.0"), a module
 * ("output/head") or a matrix ("output/head/head"); the most specific one that covers a matrix
 * decides, and a matrix that none covers is left alone.
 */
export type Plan = ReadonlyMap<string, Scheme>;

/** The scheme of every matrix, by parameter name, in network order: what a plan means for a checkpoint. */
export type ResolvedPlan = ReadonlyMap<string, Scheme>;

/** One scheme for everything, the default one unless another maker is given. */
export function uniformPlan(
  bits: number,
  makeScheme: (bits: number) => Scheme = affineMinMax,
): Plan {
  return new Map([['*', makeScheme(bits)]]);
}

/** The plan with a unit set to a scheme, whole: what it said of parts of that unit is dropped. */
export function withUnit(plan: Plan, unit: string, scheme: Scheme): Plan {
  const kept = [...plan].filter(([path]) => !covers(unit, path));
  return new Map([...kept, [unit, scheme]]);
}

/**
 * What a plan means for a model: the scheme of every matrix.
 *
 * @throws {QuantError} for a unit that the hierarchy does not have, and for `sign` on a matrix of which the
 *   model reads more than the sign, where it would not be exact.
 */
export function resolvePlan(plan: Plan, hierarchy: Hierarchy): ResolvedPlan {
  requireKnownUnits(plan.keys(), hierarchy);
  const resolved = new Map<string, Scheme>();
  for (const { name, path, role } of matricesOf(hierarchy)) {
    const scheme = schemeAt(plan, path);
    if (scheme.method === 'sign' && role !== 'sign')
      throw new QuantError({
        what: 'sign would change what the model computes',
        where: `plan, unit ${path}`,
        got: `tensor ${name}, whose values are read`,
        expected: 'a matrix of which only signs are read, as of a spike embedding',
      });
    resolved.set(name, scheme);
  }
  return resolved;
}

/** Whether a plan leaves every matrix alone. */
export function isUnquantized(plan: ResolvedPlan): boolean {
  return [...plan.values()].every(({ bits }) => bits === UNQUANTIZED_BITS);
}

/**
 * A short plan that resolves to the same: a unit is named where all its matrices have one scheme, and its
 * parts where they differ.
 */
export function compactPlan(resolved: ResolvedPlan, hierarchy: Hierarchy): Plan {
  const plan = new Map<string, Scheme>();
  const add = (unit: string, matrices: readonly Matrix[], parts: () => void): void => {
    const schemes = new Map(
      matrices.map(({ name }) => {
        const scheme = resolved.get(name) ?? UNQUANTIZED;
        return [canonicalJson(schemeToJson(scheme)), scheme] as const;
      }),
    );
    const [scheme] = schemes.values();
    if (schemes.size === 1) plan.set(unit, scheme);
    else parts();
  };
  add('*', matricesOf(hierarchy), () => {
    for (const block of hierarchy.blocks)
      add(block.path, matricesOfUnit(hierarchy, block.path), () => {
        for (const module of block.modules)
          add(module.path, module.matrices, () => {
            for (const matrix of module.matrices) add(matrix.path, [matrix], () => undefined);
          });
      });
  });
  return plan;
}

/** The scheme for a matrix, from the most specific unit; paths of units that cover it are its prefixes. */
function schemeAt(plan: Plan, path: string): Scheme {
  const parts = path.split('/');
  for (let length = parts.length; length > 0; length--) {
    const scheme = plan.get(parts.slice(0, length).join('/'));
    if (scheme !== undefined) return scheme;
  }
  return plan.get('*') ?? UNQUANTIZED;
}

/**
 * @param where names the plan, and the line of a unit where there is one.
 * @throws {QuantError} for the first unit that the hierarchy does not have.
 */
export function requireKnownUnits(
  units: Iterable<string>,
  hierarchy: Hierarchy,
  where: (unit: string) => string = () => 'plan',
): void {
  const blocks = unitPaths(hierarchy, 'block');
  const known = new Set([
    '*',
    ...blocks,
    ...unitPaths(hierarchy, 'module'),
    ...unitPaths(hierarchy, 'matrix'),
  ]);
  for (const unit of units)
    if (!known.has(unit)) {
      const block = blockOf(unit);
      const below = [...known].filter((path) => path.startsWith(`${block}/`));
      throw new QuantError({
        what: 'unknown unit',
        where: where(unit),
        got: unit,
        expected: `one of ${(below.length > 0 ? below : ['*', ...blocks]).join(', ')}`,
      });
    }
}

/**
 * A short id of what a plan does: the first 16 hex digits of the SHA-256 over the canonical JSON of the
 * resolved plan. Two spellings of one plan have one id.
 */
export function planId(resolved: ResolvedPlan): string {
  const schemes = Object.fromEntries(
    [...resolved].map(([name, scheme]) => [name, schemeToJson(scheme)]),
  );
  return sha256(canonicalJson(schemes)).slice(0, 16);
}
