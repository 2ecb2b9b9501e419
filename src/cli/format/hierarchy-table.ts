import { blockKind, blockLabel } from '../../layout/blocks.js';
import type { Block, Hierarchy, Module, UnitLevel, Vector } from '../../layout/hierarchy.js';
import { formatBytes, formatCount, formatPercent } from '../../util/format.js';
import { formatTable, numberColumns } from './table.js';

const NUMBERS = numberColumns('parameters', 'float32', 'share');

/**
 * Two tables: the three parts of the network, which add up to all parameters in use, and the tree of
 * units. Attention blocks built alike are shown once unless `unfold`.
 */
export function hierarchyTable(hierarchy: Hierarchy, level: UnitLevel, unfold = false): string {
  const numbers = (parameters: number): string[] => [
    formatCount(parameters),
    formatBytes(4 * parameters),
    formatPercent(parameters / hierarchy.parameters),
  ];
  const parts = [...partsOf(hierarchy), ['all', hierarchy.parameters] as const];
  const units = runsOf(hierarchy.blocks, unfold).flatMap((run) => unitsOf(run, level));
  const ifShapes = <T>(cell: T): T[] => (level === 'matrix' ? [cell] : []);
  const tables = [
    formatTable(
      [{ title: 'part' }, ...NUMBERS],
      parts.map(([name, parameters]) => [name, ...numbers(parameters)]),
    ),
    formatTable(
      [{ title: 'unit' }, ...ifShapes({ title: 'shape' }), ...NUMBERS],
      units.map((unit) => [unit.name, ...ifShapes(unit.shape ?? ''), ...numbers(unit.parameters)]),
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
  readonly parameters: number;
}

function unitsOf(run: readonly Block[], level: UnitLevel): Unit[] {
  const [{ block, parameters, modules, vectors }] = run;
  const name = run.length === 1 ? block : `${block} to ${blockLabel(run.at(-1)!.block)}, each`;
  if (level === 'block') return [{ name, parameters }];
  return [
    { name, parameters },
    ...modules.flatMap((module) => [
      { name: `  ${module.module}`, parameters: module.parameters },
      ...(level === 'matrix' ? matricesOf(module) : []),
    ]),
    ...vectorsOf(vectors, '  '),
  ];
}

function matricesOf({ matrices, vectors }: Module): Unit[] {
  return [
    ...matrices.map(({ matrix, shape, parameters }) => ({
      name: `    ${matrix}`,
      shape: `[${shape.join(', ')}]`,
      parameters,
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

/** Neighbouring blocks with the same units of the same shapes. */
function runsOf(blocks: readonly Block[], unfold: boolean): Block[][] {
  const runs: Block[][] = [];
  let before: string | undefined;
  for (const block of blocks) {
    const structure = structureOf(block);
    if (structure === before && !unfold) runs.at(-1)!.push(block);
    else runs.push([block]);
    before = structure;
  }
  return runs;
}

function structureOf({ modules, vectors }: Block): string {
  return JSON.stringify([
    modules.map(({ module, matrices, parameters }) => [
      module,
      parameters,
      matrices.map(({ matrix, shape }) => [matrix, shape]),
    ]),
    vectors.length,
  ]);
}
