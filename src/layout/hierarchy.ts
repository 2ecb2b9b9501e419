import { groupBy } from '../util/group.js';
import { covers } from './blocks.js';
import type { Parameter, Role, Use } from './layout.js';

/** A parameter that stays in float32: it belongs to a block or module but is no unit. */
export interface Vector {
  readonly name: string;
  readonly shape: readonly number[];
  /** Number of values. */
  readonly parameters: number;
}

/** A two-dimensional weight [out, in], the finest unit. */
export interface Matrix extends Vector {
  /** Its name in its module: "key", "value", "emb". */
  readonly matrix: string;
  /** "attention.0/MODULE/key" */
  readonly path: string;
  readonly role: Exclude<Role, 'vector'>;
  readonly use: Use;
}

interface Counts {
  /** Number of values, vectors included. */
  readonly parameters: number;
  /** 4 bytes each. */
  readonly fp32Bytes: number;
}

/** A module with its matrices. */
export interface Module extends Counts {
  /** Its name in its block: "embedding", "head". */
  readonly module: string;
  /** "attention.0/MODULE" */
  readonly path: string;
  readonly matrices: readonly Matrix[];
  readonly vectors: readonly Vector[];
}

/** A block with its modules. */
export interface Block extends Counts {
  /** input, attention.N or output */
  readonly block: string;
  /** The same as `block`. */
  readonly path: string;
  readonly modules: readonly Module[];
  /** Vectors of no module, as layer norms may be. */
  readonly vectors: readonly Vector[];
  /** Its parameters, of all in use. */
  readonly share: number;
}

/** Every parameter in use, in network order. */
export interface Hierarchy extends Counts {
  readonly blocks: readonly Block[];
  /** Parameters in the file that are in no plan, and in a footprint only where all parameters are counted. */
  readonly unused: Counts & {
    readonly names: readonly string[];
    /** The blocks that they would belong to, with nothing else in them. */
    readonly blocks: readonly Block[];
  };
}

/** The tree of blocks, modules and matrices with their parameter counts, in the order of the layout. */
export function hierarchyOf(parameters: readonly Parameter[]): Hierarchy {
  const used = parameters.filter(({ unused }) => unused !== true);
  const unused = parameters.filter((parameter) => parameter.unused === true);
  const total = countsOf(used);
  const blocksOf = (members: readonly Parameter[]): Block[] =>
    [...groupBy(members, ({ block }) => block)].map(([block, its]) =>
      blockOf(block, its, total.parameters),
    );
  return {
    blocks: blocksOf(used),
    ...total,
    unused: {
      names: unused.map(({ name }) => name),
      blocks: blocksOf(unused),
      ...countsOf(unused),
    },
  };
}

function vectorOf({ name, shape }: Parameter): Vector {
  return { name, shape, parameters: shape.reduce((product, length) => product * length, 1) };
}

function countsOf(members: readonly Parameter[]): Counts {
  const parameters = members.reduce((sum, member) => sum + vectorOf(member).parameters, 0);
  return { parameters, fp32Bytes: 4 * parameters };
}

function blockOf(block: string, members: readonly Parameter[], parametersInAll: number): Block {
  const inModules = members.filter(({ module }) => module !== undefined);
  const counts = countsOf(members);
  return {
    block,
    path: block,
    modules: [...groupBy(inModules, ({ module }) => module!)].map(([module, its]) =>
      moduleOf(`${block}/${module}`, module, its),
    ),
    vectors: members.filter(({ module }) => module === undefined).map(vectorOf),
    ...counts,
    share: counts.parameters / parametersInAll,
  };
}

function moduleOf(path: string, module: string, members: readonly Parameter[]): Module {
  const matrices = members.flatMap((parameter): Matrix[] => {
    const { matrix, role, use = 'token' } = parameter;
    if (role === 'vector' || matrix === undefined) return [];
    return [{ ...vectorOf(parameter), matrix, path: `${path}/${matrix}`, role, use }];
  });
  const vectors = members.filter(({ role }) => role === 'vector').map(vectorOf);
  return { module, path, matrices, vectors, ...countsOf(members) };
}

/** All matrices, in network order. */
export function matricesOf(hierarchy: Hierarchy): Matrix[] {
  return hierarchy.blocks.flatMap(({ modules }) => modules.flatMap(({ matrices }) => matrices));
}

/** All parameters that stay in float32, in network order. */
export function vectorsOf(hierarchy: Hierarchy): Vector[] {
  return hierarchy.blocks.flatMap(({ vectors, modules }) => [
    ...vectors,
    ...modules.flatMap((module) => module.vectors),
  ]);
}

/** A level of the hierarchy. */
export type UnitLevel = 'block' | 'module' | 'matrix';

/** The paths of all units of one level, in network order. */
export function unitPaths(hierarchy: Hierarchy, level: UnitLevel): string[] {
  const { blocks } = hierarchy;
  if (level === 'matrix') return matricesOf(hierarchy).map(({ path }) => path);
  const units = level === 'block' ? blocks : blocks.flatMap(({ modules }) => modules);
  return units.map(({ path }) => path);
}

/** The matrices of a unit, in network order; none for a path that names no unit, all for "*". */
export function matricesOfUnit(hierarchy: Hierarchy, unit: string): Matrix[] {
  return matricesOf(hierarchy).filter(({ path }) => covers(unit, path));
}

/** True where the model reads nothing but signs of a unit: one bit a value stores it without loss. */
export function isSignUnit(hierarchy: Hierarchy, unit: string): boolean {
  const matrices = matricesOfUnit(hierarchy, unit);
  return matrices.length > 0 && matrices.every(({ role }) => role === 'sign');
}
