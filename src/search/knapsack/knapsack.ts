import { SearchError } from '../../util/errors.js';

/** One way to store a unit. */
export interface KnapsackChoice {
  readonly bits: number;
  /** Addition to the footprint, in whole bytes; may be counted from any fixed plan, so also negative. */
  readonly bytes: number;
  /** Addition to the loss. Losses are taken to add up over units. */
  readonly loss: number;
}

export interface KnapsackUnit {
  readonly id: string;
  readonly choices: readonly KnapsackChoice[];
}

export interface KnapsackOptions {
  /** Bytes that every plan has; 0 by default. */
  readonly fixedBytes?: number;
  /** Cell of the byte grid; 1, which is exact, by default. See {@link solveKnapsack}. */
  readonly gridBytes?: number | undefined;
  /** Partial plans kept at most at a time. */
  readonly maxStates?: number;
}

/** A best plan: no other has at most its bytes and less loss, or its loss and fewer bytes. */
export interface KnapsackPoint {
  readonly bytes: number;
  readonly loss: number;
}

/** A state takes 29 bytes at each unit: 1.3 GB for a 44-unit model at this limit. */
const DEFAULT_MAX_STATES = 1_000_000;

/**
 * Multiple-choice knapsack: one choice for each unit, for every byte budget at once.
 *
 * Dynamic programming over the units; after each, of all partial plans only those are kept that no other
 * beats in both bytes and loss (Nemhauser and Ullmann 1969). Footprints of a model are multiples of its
 * matrix sizes, so few distinct sums occur and this stays small (see the tests for SpikeGPT-216M).
 *
 * With `gridBytes` g above 1 each choice's bytes are rounded up to a multiple of g. Every point's plan truly
 * has the bytes said; for any budget the loss is at most the least there is at n·(g − 1) fewer bytes, n being
 * the number of units.
 *
 * @throws {SearchError} for a unit without choices, figures that are no numbers, or too many states.
 */
export function solveKnapsack(
  units: readonly KnapsackUnit[],
  options: KnapsackOptions = {},
): KnapsackFront {
  const { fixedBytes = 0, gridBytes = 1, maxStates = DEFAULT_MAX_STATES } = options;
  units.forEach(checkUnit);
  const stages: States[] = [];
  let partial = emptyStates(1);
  partial.bytes[0] = fixedBytes;
  for (const unit of units) {
    const [first, ...others] = unit.choices.map((choice, index) =>
      extend(partial, choice, index, gridBytes),
    );
    partial = others.reduce(merge, first);
    if (partial.loss.length > maxStates)
      throw new SearchError({
        what: 'too many different footprints',
        where: `knapsack, unit ${unit.id}`,
        got: `${partial.loss.length} states, ${maxStates} allowed`,
        expected: 'a coarser gridBytes',
      });
    stages.push(partial);
  }
  return new KnapsackFront(units, stages);
}

/** The best plans of a knapsack, by rising bytes and falling loss. */
export class KnapsackFront {
  readonly points: readonly KnapsackPoint[];
  /** State of the last stage that each point is. */
  readonly #states: readonly number[];

  /** @param stages of each unit, the partial plans that end with it. */
  constructor(
    readonly units: readonly KnapsackUnit[],
    private readonly stages: readonly States[],
  ) {
    const { bytes, loss } = stages.at(-1) ?? emptyStates(0);
    // On a coarse grid the true bytes need not rise with the cells: plans that are beaten by them go.
    const states = [...bytes.keys()].sort((a, b) => bytes[a] - bytes[b] || loss[a] - loss[b]);
    let least = Infinity;
    this.#states = states.filter((state) => {
      const better = loss[state] < least;
      if (better) least = loss[state];
      return better;
    });
    this.points = this.#states.map((state) => ({ bytes: bytes[state], loss: loss[state] }));
  }

  /** The bits of each unit, in their order, at a point. */
  bitsAt(point: number): number[] {
    const bits = new Array<number>(this.units.length);
    let state = this.#states[point];
    for (let unit = this.units.length - 1; unit >= 0; unit--) {
      const { choice, parent } = this.stages[unit];
      bits[unit] = this.units[unit].choices[choice[state]].bits;
      state = parent[state];
    }
    return bits;
  }

  /** The point of least loss within a byte budget; -1 where nothing fits. */
  within(maxBytes: number): number {
    return this.points.findLastIndex((point) => point.bytes <= maxBytes);
  }

  /** The point of fewest bytes that loses at most so much; -1 where all lose more. */
  losingAtMost(maxLoss: number): number {
    return this.points.findIndex((point) => point.loss <= maxLoss);
  }
}

/** Partial plans as columns of one length, by rising cells and falling loss. */
interface States {
  /** Bytes on the grid. */
  readonly cells: Float64Array;
  /** True bytes. */
  readonly bytes: Float64Array;
  readonly loss: Float64Array;
  /** The partial plan of the unit before that was continued, */
  readonly parent: Int32Array;
  /** and the choice of this unit that it was continued with. */
  readonly choice: Uint8Array;
}

function emptyStates(length: number): States {
  return {
    cells: new Float64Array(length),
    bytes: new Float64Array(length),
    loss: new Float64Array(length),
    parent: new Int32Array(length),
    choice: new Uint8Array(length),
  };
}

/** Every partial plan continued by one choice. */
function extend(states: States, choice: KnapsackChoice, index: number, gridBytes: number): States {
  const cells = Math.ceil(choice.bytes / gridBytes);
  return {
    cells: states.cells.map((sum) => sum + cells),
    bytes: states.bytes.map((sum) => sum + choice.bytes),
    loss: states.loss.map((sum) => sum + choice.loss),
    parent: Int32Array.from(states.parent.keys()),
    choice: new Uint8Array(states.choice.length).fill(index),
  };
}

/** The states of both that none of either beats; of equal ones the first's. */
function merge(a: States, b: States): States {
  const merged = emptyStates(a.loss.length + b.loss.length);
  let kept = 0;
  let least = Infinity;
  for (let i = 0, j = 0; i < a.loss.length || j < b.loss.length;) {
    const fromA =
      j === b.loss.length ||
      (i < a.loss.length &&
        (a.cells[i] < b.cells[j] || (a.cells[i] === b.cells[j] && a.loss[i] <= b.loss[j])));
    const from = fromA ? a : b;
    const at = fromA ? i++ : j++;
    if (from.loss[at] >= least) continue;
    least = from.loss[at];
    merged.cells[kept] = from.cells[at];
    merged.bytes[kept] = from.bytes[at];
    merged.loss[kept] = from.loss[at];
    merged.parent[kept] = from.parent[at];
    merged.choice[kept++] = from.choice[at];
  }
  return {
    cells: merged.cells.slice(0, kept),
    bytes: merged.bytes.slice(0, kept),
    loss: merged.loss.slice(0, kept),
    parent: merged.parent.slice(0, kept),
    choice: merged.choice.slice(0, kept),
  };
}

function checkUnit({ id, choices }: KnapsackUnit): void {
  const where = `knapsack, unit ${id}`;
  if (choices.length === 0) throw new SearchError({ what: 'no choice', where });
  for (const { bits, bytes, loss } of choices)
    if (!Number.isFinite(loss) || !Number.isInteger(bytes))
      throw new SearchError({
        what: 'not a number to add up',
        where: `${where} at ${bits} bits`,
        got: `loss ${loss}, ${bytes} bytes`,
        expected: 'a finite loss and whole bytes',
      });
}
