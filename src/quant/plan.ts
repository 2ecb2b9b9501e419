import { blockOf, covers } from '../layout/blocks.js';
import { matricesOf, matricesOfUnit, unitPaths, type Hierarchy } from '../layout/hierarchy.js';
import { QuantError } from '../util/errors.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';
import { schemeToJson } from './scheme/scheme-json.js';
import { affineMinMax, UNQUANTIZED, UNQUANTIZED_BITS, type Scheme } from './scheme/scheme.js';

/**
 * Units and their schemes. A unit path is "*" (everything), a block ("attention.0"), a module
 * ("output/head") or a matrix ("output/head/head"); the most specific one that covers a matrix
 * decides, and a matrix that none covers is left alone.
 */
export type Plan = ReadonlyMap<string, Scheme>;

/** The meaning of a plan for a checkpoint: the scheme of every matrix, by parameter name, in network order. */
export type ResolvedPlan = ReadonlyMap<string, Scheme>;

/** One scheme for everything, the default one unless another maker is given. */
export function uniformPlan(bits: number, make: (bits: number) => Scheme = affineMinMax): Plan {
  return new Map([['*', make(bits)]]);
}

/** The plan with a unit set to a scheme, whole: what it said of parts of that unit is dropped. */
export function withUnit(plan: Plan, unit: string, scheme: Scheme): Plan {
  const kept = [...plan].filter(([path]) => !covers(unit, path));
  return new Map([...kept, [unit, scheme]]);
}

/**
 * Resolves a plan for a model: the scheme of every matrix.
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

/**
 * The scheme of a matrix by its parameter name.
 *
 * @throws {QuantError} when the plan was resolved for another model.
 */
export function schemeOf(plan: ResolvedPlan, name: string): Scheme {
  const scheme = plan.get(name);
  if (scheme !== undefined) return scheme;
  throw new QuantError({
    what: 'the plan says nothing of this matrix',
    where: `tensor ${name}`,
    expected: 'a plan resolved for this model',
  });
}

/** True where a plan leaves every matrix alone. */
export function isUnquantized(plan: ResolvedPlan): boolean {
  return [...plan.values()].every(({ bits }) => bits === UNQUANTIZED_BITS);
}

/**
 * A short plan that resolves to the same: a unit is named where all its matrices have one scheme, and its
 * parts where they differ.
 */
export function compactPlan(resolved: ResolvedPlan, hierarchy: Hierarchy): Plan {
  const plan = new Map<string, Scheme>();
  const add = (unit: string, parts?: () => void): void => {
    const matrices = matricesOfUnit(hierarchy, unit);
    const schemes = matrices.map(({ name }) => resolved.get(name) ?? UNQUANTIZED);
    const texts = new Set(schemes.map((scheme) => canonicalJson(schemeToJson(scheme))));
    if (texts.size === 1) plan.set(unit, schemes[0]);
    else parts?.();
  };
  add('*', () => {
    for (const block of hierarchy.blocks)
      add(block.path, () => {
        for (const module of block.modules)
          add(module.path, () => {
            for (const matrix of module.matrices) add(matrix.path);
          });
      });
  });
  return plan;
}

/** The scheme for a matrix, from the most specific unit; paths of units that cover it are its prefixes. */
function schemeAt(plan: Plan, path: string): Scheme {
  const scheme = plan.get(path);
  if (scheme !== undefined) return scheme;
  const end = path.lastIndexOf('/');
  return end < 0 ? (plan.get('*') ?? UNQUANTIZED) : schemeAt(plan, path.slice(0, end));
}

/**
 * Refuses units that are not there.
 *
 * @param where names the plan, and the line of a unit where there is one.
 * @throws {QuantError} for the first unit that the hierarchy does not have.
 */
export function requireKnownUnits(
  units: Iterable<string>,
  hierarchy: Hierarchy,
  where: (unit: string) => string = () => 'plan',
): void {
  const [blocks, modules, matrices] = (['block', 'module', 'matrix'] as const).map((level) =>
    unitPaths(hierarchy, level),
  );
  const known = new Set(['*', ...blocks, ...modules, ...matrices]);
  for (const unit of units) {
    if (known.has(unit)) continue;
    const below = [...known].filter((path) => path.startsWith(`${blockOf(unit)}/`));
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
  const schemes = [...resolved].map(([name, scheme]) => [name, schemeToJson(scheme)] as const);
  return sha256(canonicalJson(Object.fromEntries(schemes))).slice(0, 16);
}
