import { SearchError } from '../util/errors.js';
import { groupBy } from '../util/group.js';
import { requireThat } from './require.js';

/** Bits of a unit that is left alone. */
export const FULL_PRECISION = 32;

/** The smallest thing a plan gives a bit width to: a module, or a single matrix of one. */
export interface UnitInfo {
  /** A module's path, 'output/head', or a matrix's, 'output/head/head'. */
  readonly id: string;
  /** 'input', 'attention.0', …, 'output'. */
  readonly block: string;
  /** Path of the module that the unit is, or belongs to. */
  readonly module: string;
  /** True where the module tier descends it: the paper refines attention blocks only. */
  readonly inModuleTier: boolean;
}

/** A model as a search sees it: its units in network order, and the footprint of a plan. */
export interface SearchSpace {
  readonly units: readonly UnitInfo[];
  /**
   * Footprint in bytes, of everything that is stored: scales, zero points and what stays fp32 too.
   * Must be additive over units and must not grow when a unit gets fewer bits.
   */
  bytes(assignment: Assignment): number;
}

/** The bits of each unit. Immutable; a unit that is not named keeps `FULL_PRECISION`. */
export class Assignment {
  /** Everything in full precision. */
  static readonly unquantized = new Assignment(new Map());

  /**
   * Canonical: equal assignments have equal keys, whatever the order they were built in.
   * 'input/embedding=8;output/head=4'; 'fp32' where nothing is quantized.
   */
  readonly key: string;
  readonly #bits: ReadonlyMap<string, number>;

  private constructor(bits: ReadonlyMap<string, number>) {
    this.#bits = bits;
    const entries = [...bits].map(([unit, width]) => `${unit}=${width}`).sort();
    this.key = entries.length === 0 ? 'fp32' : entries.join(';');
  }

  /** @throws {SearchError} when a bit width is not a whole number of 1 to 32. */
  static of(bits: Readonly<Record<string, number>>): Assignment {
    return Object.entries(bits).reduce(
      (assignment, [unit, width]) => assignment.with([unit], width),
      Assignment.unquantized,
    );
  }

  /** The bits of a unit. */
  bitsOf(unit: string): number {
    return this.#bits.get(unit) ?? FULL_PRECISION;
  }

  /** A copy with other bits for some units. @throws {SearchError} as {@link Assignment.of}. */
  with(units: readonly string[], bits: number): Assignment {
    checkBits(bits, 'assignment');
    const changed = new Map(this.#bits);
    for (const unit of units) {
      if (bits === FULL_PRECISION) changed.delete(unit);
      else changed.set(unit, bits);
    }
    return new Assignment(changed);
  }

  /** The bits of each unit, in the order given. */
  bitsOfAll(units: readonly { readonly id: string }[]): number[] {
    return units.map(({ id }) => this.bitsOf(id));
  }

  /** The quantized units alone; {@link Assignment.of} reads it back. */
  toJSON(): Record<string, number> {
    return Object.fromEntries([...this.#bits].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** The fineness of groups of units: the whole model, blocks, modules, or each unit of the space. */
export type Level = 'global' | 'block' | 'module' | 'matrix';

/** Units that change their bits together. */
export interface UnitGroup {
  /** 'model' for all, else the block's, module's or unit's id. */
  readonly id: string;
  readonly block: string;
  readonly units: readonly string[];
  readonly inModuleTier: boolean;
}

/** The groups of a level in network order: the order in which their first units are listed. */
export function groupsOf(space: SearchSpace, level: Level): UnitGroup[] {
  const idOf: Readonly<Record<Level, (unit: UnitInfo) => string>> = {
    global: () => 'model',
    block: ({ block }) => block,
    module: ({ module }) => module,
    matrix: ({ id }) => id,
  };
  return [...groupBy(space.units, idOf[level])].map(([id, members]) => ({
    id,
    block: level === 'global' ? 'model' : members[0].block,
    units: members.map((unit) => unit.id),
    inModuleTier: members.every((unit) => unit.inModuleTier),
  }));
}

/** The bits of a group: the most any of its units has. */
export function groupBits(assignment: Assignment, group: UnitGroup): number {
  return Math.max(...group.units.map((unit) => assignment.bitsOf(unit)));
}

/**
 * The precision list B as the search walks it: from high to low, each value once.
 *
 * @throws {SearchError} when the list is empty or holds something else than whole numbers of 1 to 32.
 */
export function normaliseBits(bits: readonly number[]): number[] {
  if (bits.length === 0)
    throw new SearchError({ what: 'no bit width to try', where: 'bits', expected: 'at least one' });
  for (const width of bits) checkBits(width, 'bits');
  return [...new Set(bits)].sort((a, b) => b - a);
}

/** @throws {SearchError} when a space has no units, or two of the same id. */
export function checkSpace(space: SearchSpace): void {
  if (space.units.length === 0)
    throw new SearchError({ what: 'nothing to quantize', where: 'search space', got: 'no units' });
  const seen = new Set<string>();
  for (const { id } of space.units) {
    if (seen.has(id)) throw new SearchError({ what: 'two units of one name', where: id });
    seen.add(id);
  }
}

function checkBits(bits: number, where: string): void {
  const inRange = Number.isInteger(bits) && bits >= 1 && bits <= FULL_PRECISION;
  const expected = `a whole number of 1 to ${FULL_PRECISION}`;
  requireThat(inRange, 'not a bit width', where, bits, expected);
}
