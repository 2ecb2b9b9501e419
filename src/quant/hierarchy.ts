import { elementCount } from '../checkpoint/shape.js';
import { QuantError } from '../util/errors.js';

/*
 * QSLM's hierarchy over the published parameter names:
 *
 *   input                emb.weight
 *   attention.N          blocks.N.*: modules SRWKV (att), SRFFN (ffn), SRFFN-pre (ffnPre), and norms
 *   output               head.weight, classifier.weight, and ln_out
 *
 * A unit is a block, a module or a matrix, named by its path: "attention.0", "attention.0/SRWKV",
 * "attention.0/SRWKV/key". Only matrices are quantized; norms, decays and mixes stay in float32.
 */

/** A parameter's name and shape, as a checkpoint lists them. */
export interface ParameterShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A parameter that stays in float32: it belongs to a block or module but is no unit. */
export interface Vector extends ParameterShape {
  /** Number of values. */
  readonly parameters: number;
}

/** A two-dimensional weight [out, in], the finest unit. */
export interface Matrix extends Vector {
  /** Last part of the parameter's name before `.weight`: key, value, receptance, output, emb, head, … */
  readonly matrix: string;
  /** "attention.0/SRWKV/key" */
  readonly path: string;
}

interface Counts {
  /** Number of values, vectors included. */
  readonly parameters: number;
  /** 4 bytes each. */
  readonly fp32Bytes: number;
}

export interface Module extends Counts {
  /** embedding, SRWKV, SRFFN, SRFFN-pre or head */
  readonly module: string;
  /** "attention.0/SRWKV" */
  readonly path: string;
  readonly matrices: readonly Matrix[];
  readonly vectors: readonly Vector[];
}

export interface Block extends Counts {
  /** input, attention.N or output */
  readonly block: string;
  /** The same as `block`. */
  readonly path: string;
  readonly modules: readonly Module[];
  /** Vectors of no module: layer norms. */
  readonly vectors: readonly Vector[];
  /** Of all parameters in use, in [0, 1]. */
  readonly share: number;
}

/** Every parameter in use, in network order. */
export interface Hierarchy extends Counts {
  readonly blocks: readonly Block[];
  /** A classifier's language-model head: in the file, but in no footprint and no plan. */
  readonly unused: Counts & { readonly names: readonly string[] };
}

export interface HierarchyOptions {
  /** Leave `head.weight` out; by default where there is a `classifier.weight`. */
  readonly excludeHead?: boolean;
}

/** Where a parameter belongs; no module for layer norms. */
interface Place {
  readonly block: string;
  readonly module?: string;
}

const BLOCK_PARTS: Readonly<Record<string, string | undefined>> = {
  ffnPre: 'SRFFN-pre',
  att: 'SRWKV',
  ffn: 'SRFFN',
};
/** Order of modules inside a block and of matrices inside a module. */
const MODULE_ORDER = ['embedding', 'SRFFN-pre', 'SRWKV', 'SRFFN', 'head'];
const MATRIX_ORDER = ['emb', 'key', 'value', 'receptance', 'output', 'head', 'classifier'];

/** @returns undefined for a name that no SpikeGPT has. */
function placeOf(name: string): Place | undefined {
  if (name === 'emb.weight') return { block: 'input', module: 'embedding' };
  if (name === 'head.weight' || name === 'classifier.weight')
    return { block: 'output', module: 'head' };
  if (/^ln_out\.(weight|bias)$/.test(name)) return { block: 'output' };
  const inBlock = /^blocks\.(\d+)\.(?:ln[012]|(ffnPre|att|ffn))\./.exec(name);
  if (inBlock === null) return undefined;
  const [, index, part] = inBlock as unknown as [string, string, string | undefined];
  const module = part === undefined ? undefined : BLOCK_PARTS[part];
  return { block: `attention.${Number(index)}`, ...(module !== undefined && { module }) };
}

/**
 * The tree of blocks, modules and matrices with their parameter counts, in network order whatever the
 * order of the file.
 *
 * @throws {QuantError} for a parameter that no SpikeGPT has.
 */
export function hierarchyOf(
  parameters: Iterable<ParameterShape>,
  options: HierarchyOptions = {},
): Hierarchy {
  const all = [...parameters];
  const excludeHead = options.excludeHead ?? all.some(({ name }) => name === 'classifier.weight');
  const unusedHead = excludeHead ? all.filter(({ name }) => name === 'head.weight') : [];
  const used = all.filter((parameter) => !unusedHead.includes(parameter)).map(placed);
  const total = countsOf(used.map(({ vector }) => vector));
  const blocks = [...groupBy(used, ({ place }) => place.block)]
    .sort(([a], [b]) => networkOrder(a) - networkOrder(b))
    .map(([block, members]) => blockOf(block, members, total.parameters));
  const unused = unusedHead.map(({ name, shape }) => vectorOf(name, shape));
  return {
    blocks,
    ...total,
    unused: { names: unused.map(({ name }) => name), ...countsOf(unused) },
  };
}

interface Placed {
  readonly place: Place;
  readonly vector: Vector;
}

function placed({ name, shape }: ParameterShape): Placed {
  const place = placeOf(name);
  if (place === undefined)
    throw new QuantError({
      what: 'parameter belongs to no block',
      where: `tensor ${name}`,
      expected:
        "SpikeGPT's names: emb, blocks.N.{ln0,ln1,ln2,att,ffn,ffnPre}, ln_out, head, classifier",
    });
  return { place, vector: vectorOf(name, shape) };
}

function vectorOf(name: string, shape: readonly number[]): Vector {
  return { name, shape, parameters: elementCount(shape) };
}

function countsOf(vectors: readonly Vector[]): Counts {
  const parameters = vectors.reduce((sum, vector) => sum + vector.parameters, 0);
  return { parameters, fp32Bytes: 4 * parameters };
}

function networkOrder(block: string): number {
  if (block === 'input') return -1;
  return block === 'output' ? Infinity : Number(block.slice('attention.'.length));
}

function blockOf(block: string, members: readonly Placed[], parametersInAll: number): Block {
  const modules = [...groupBy(members, ({ place }) => place.module)]
    .filter((entry): entry is [string, Placed[]] => entry[0] !== undefined)
    .sort(([a], [b]) => MODULE_ORDER.indexOf(a) - MODULE_ORDER.indexOf(b))
    .map(([module, its]) =>
      moduleOf(
        block,
        module,
        its.map(({ vector }) => vector),
      ),
    );
  const counts = countsOf(members.map(({ vector }) => vector));
  return {
    block,
    path: block,
    modules,
    vectors: members.filter(({ place }) => place.module === undefined).map(({ vector }) => vector),
    ...counts,
    share: counts.parameters / parametersInAll,
  };
}

function moduleOf(block: string, module: string, members: readonly Vector[]): Module {
  const path = `${block}/${module}`;
  // A mix may be stored as [1, C]; it is still a vector.
  const isMatrix = ({ name, shape }: Vector): boolean =>
    name.endsWith('.weight') && shape.length === 2;
  const matrices = members
    .filter(isMatrix)
    .map((vector): Matrix => {
      const matrix = vector.name.replace(/\.weight$/, '').replace(/^.*\./, '');
      return { ...vector, matrix, path: `${path}/${matrix}` };
    })
    .sort((a, b) => MATRIX_ORDER.indexOf(a.matrix) - MATRIX_ORDER.indexOf(b.matrix));
  const vectors = members.filter((member) => !isMatrix(member));
  return { module, path, matrices, vectors, ...countsOf(members) };
}

function groupBy<T, K>(items: readonly T[], key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
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

export type UnitLevel = 'block' | 'module' | 'matrix';

/** The paths of all units of one level, in network order. */
export function unitPaths(hierarchy: Hierarchy, level: UnitLevel): string[] {
  const { blocks } = hierarchy;
  switch (level) {
    case 'block':
      return blocks.map(({ path }) => path);
    case 'module':
      return blocks.flatMap(({ modules }) => modules.map(({ path }) => path));
    case 'matrix':
      return matricesOf(hierarchy).map(({ path }) => path);
  }
}

/** The matrices of a unit, in network order; none for a path that names no unit, all for "*". */
export function matricesOfUnit(hierarchy: Hierarchy, unit: string): Matrix[] {
  return matricesOf(hierarchy).filter(({ path }) => covers(unit, path));
}

/** Whether a unit is, or contains, the unit at a path. */
export function covers(unit: string, path: string): boolean {
  return unit === '*' || path === unit || path.startsWith(`${unit}/`);
}
