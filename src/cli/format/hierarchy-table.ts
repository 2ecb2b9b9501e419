import { blockKind, blockLabel } from '../../layout/blocks.js';
import type {
  Block,
  Hierarchy,
  Matrix,
  Module,
  UnitLevel,
  Vector,
} from '../../layout/hierarchy.js';
import { schemeOf, type ResolvedPlan } from '../../quant/plan.js';
import { UNQUANTIZED_BITS } from '../../quant/scheme/scheme.js';
import { formatBytes, formatCount, formatPercent } from '../../util/format.js';
import { formatTable, numberColumns } from './table.js';

const NUMBERS = numberColumns('parameters', 'float32', 'share');

/**
 * Two tables: the three parts of the network, which add up to all parameters in use, and the tree of
 * units. Attention blocks built alike are shown once unless `unfold`.
 *
 * @param plan what a packed model's matrices were quantized to, shown and told apart by
 */
export function hierarchyTable(
  hierarchy: Hierarchy,
  level: UnitLevel,
  unfold = false,
  plan?: ResolvedPlan,
): string {
  const numbers = (parameters: number): string[] => [
    formatCount(parameters),
    formatBytes(4 * parameters),
    formatPercent(parameters / hierarchy.parameters),
  ];
  const parts = [...partsOf(hierarchy), ['all', hierarchy.parameters] as const];
  const units = runsOf(hierarchy.blocks, unfold, plan).flatMap((run) => unitsOf(run, level, plan));
  const ifShapes = <T>(cell: T): T[] => (level === 'matrix' ? [cell] : []);
  const ifPacked = <T>(cell: T): T[] => (plan === undefined ? [] : [cell]);
  const tables = [
    formatTable(
      [{ title: 'part' }, ...NUMBERS],
      parts.map(([name, parameters]) => [name, ...numbers(parameters)]),
    ),
    formatTable(
      [
        { title: 'unit' },
        ...ifShapes({ title: 'shape' }),
        ...ifPacked({ title: 'bits' }),
        ...NUMBERS,
      ],
      units.map((unit) => [
        unit.name,
        ...ifShapes(unit.shape ?? ''),
        ...ifPacked(unit.bits ?? ''),
        ...numbers(unit.parameters),
      ]),
    ),
  ];
  const { names, parameters } = hierarchy.unused;
  if (names.length > 0)
    tables.push(
      `not used, not counted: ${names.join(', ')} (${formatCount(parameters)} parameters)`,
    );
  return tables.join('\n\n');
}

interface Unit {
  readonly name: string;
  readonly shape?: string;
  /** Widths of its matrices; empty for vectors. */
  readonly bits?: string;
  readonly parameters: number;
}

function unitsOf(run: readonly Block[], level: UnitLevel, plan?: ResolvedPlan): Unit[] {
  const [{ block, parameters, modules, vectors }] = run;
  const name = run.length === 1 ? block : `${block} to ${blockLabel(run.at(-1)!.block)}, each`;
  const bits = widthsOf(
    modules.flatMap(({ matrices }) => matrices),
    plan,
  );
  if (level === 'block') return [{ name, bits, parameters }];
  return [
    { name, bits, parameters },
    ...modules.flatMap((module) => [
      {
        name: `  ${module.module}`,
        bits: widthsOf(module.matrices, plan),
        parameters: module.parameters,
      },
      ...(level === 'matrix' ? matricesOf(module, plan) : []),
    ]),
    ...vectorsOf(vectors, '  '),
  ];
}

/** The widths of matrices, each once, widest first; of a sign by name. */
function widthsOf(matrices: readonly Matrix[], plan?: ResolvedPlan): string {
  if (plan === undefined) return '';
  const schemes = matrices.map(({ name }) => schemeOf(plan, name));
  const widest = [...schemes].sort((a, b) => b.bits - a.bits);
  const labels = widest.map(({ bits, method }) =>
    bits === UNQUANTIZED_BITS ? 'fp32' : method === 'sign' ? 'sign' : String(bits),
  );
  return [...new Set(labels)].join(', ');
}

function matricesOf({ matrices, vectors }: Module, plan?: ResolvedPlan): Unit[] {
  return [
    ...matrices.map((matrix) => ({
      name: `    ${matrix.matrix}`,
      shape: `[${matrix.shape.join(', ')}]`,
      bits: widthsOf([matrix], plan),
      parameters: matrix.parameters,
    })),
    ...vectorsOf(vectors, '    '),
  ];
}

/** Vectors are never quantized; they are shown so that the sums come out. */
function vectorsOf(vectors: readonly Vector[], indent: string): Unit[] {
  if (vectors.length === 0) return [];
  const parameters = vectors.reduce((sum, vector) => sum + vector.parameters, 0);
  return [{ name: `${indent}${vectors.length} vectors`, parameters }];
}

function partsOf({ blocks }: Hierarchy): [name: string, parameters: number][] {
  const attention = blocks.filter(({ block }) => blockKind(block) === 'attention');
  const sum = (list: readonly Block[]): number =>
    list.reduce((total, { parameters }) => total + parameters, 0);
  const others = (name: string): [string, number][] =>
    blocks.filter(({ block }) => block === name).map(({ parameters }) => [name, parameters]);
  return [
    ...others('input'),
    [`attention, ${attention.length} blocks`, sum(attention)],
    ...others('output'),
  ];
}

/** Neighbouring blocks with the same units of the same shapes and widths. */
function runsOf(blocks: readonly Block[], unfold: boolean, plan?: ResolvedPlan): Block[][] {
  const runs: Block[][] = [];
  let before: string | undefined;
  for (const block of blocks) {
    const structure = structureOf(block, plan);
    if (structure === before && !unfold) runs.at(-1)!.push(block);
    else runs.push([block]);
    before = structure;
  }
  return runs;
}

function structureOf({ modules, vectors }: Block, plan?: ResolvedPlan): string {
  return JSON.stringify([
    modules.map(({ module, matrices, parameters }) => [
      module,
      parameters,
      matrices.map((matrix) => [matrix.matrix, matrix.shape, widthsOf([matrix], plan)]),
    ]),
    vectors.length,
  ]);
}
