import { meetsLimit, type MetricLimit } from '../../search/constraints.js';
import type { Need, VerdictEvaluation } from '../../search/evaluation.js';
import type { BatchScores } from '../../tasks/task.js';

/**
 * What a stopped evaluation knows: how much of the data was scored, and the sum of the scores. Shared by
 * workers as integers, so that concurrent additions lose nothing.
 */
export interface Tally {
  /** Items scored. */
  readonly items: number;
  /** Right answers, or summed NLL in nats rounded down. */
  readonly sum: number;
}

/** The question an evaluation may stop on, as plain data. */
export interface VerdictQuestion {
  readonly need: Need;
  readonly limit: MetricLimit;
  /** Of the whole task. */
  readonly items: number;
  readonly tokens: number;
}

/**
 * The verdict where what is left to score cannot change it, else undefined. Accuracy: all items left could
 * still be right, or wrong. Perplexity: the NLL of a token is at least 0, so the sum can only grow; a pass
 * is never certain early.
 */
export function certainVerdict(
  { need, limit, items, tokens }: VerdictQuestion,
  tally: Tally,
): VerdictEvaluation | undefined {
  if (need === 'exact') return undefined;
  const left = items - tally.items;
  const best =
    limit.metric === 'accuracy' ? (tally.sum + left) / items : Math.exp(tally.sum / tokens);
  if (!meetsLimit(limit, best)) return { kind: 'verdict', passes: false, bound: best };
  const worst = tally.sum / items;
  if (need === 'verdict' && limit.metric === 'accuracy' && meetsLimit(limit, worst))
    return { kind: 'verdict', passes: true, bound: worst };
  return undefined;
}

/** Micro-nats: NLL sums are shared as whole numbers of them, rounded down. Right answers are whole. */
const UNITS_PER_SUM = 1e6;

/**
 * The most one batch adds, 1e9 nats: a plan that breaks the model can give NLLs whose sum would wrap a
 * 64-bit integer. Adding less keeps the sum what it has to be, a lower bound.
 */
const MOST_UNITS = 1e15;

/**
 * A {@link Tally} that several threads add to. What is read never counts items whose score it lacks: the
 * score is added before its items, and read after them. A score ahead of its items is harmless, since it
 * only makes the best that can still come look better.
 */
export class SharedTally {
  private readonly cells: BigInt64Array;

  constructor(readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(24)) {
    this.cells = new BigInt64Array(buffer);
  }

  add({ values }: BatchScores): void {
    const sum = values.reduce((total, value) => total + value, 0);
    Atomics.add(this.cells, 1, BigInt(Math.floor(Math.min(sum * UNITS_PER_SUM, MOST_UNITS))));
    Atomics.add(this.cells, 0, BigInt(values.length));
  }

  read(): Tally {
    const items = Number(Atomics.load(this.cells, 0));
    const sum = Number(Atomics.load(this.cells, 1)) / UNITS_PER_SUM;
    return { items, sum };
  }

  /** Asks everyone who watches this tally to stop at the next batch. */
  stop(): void {
    Atomics.store(this.cells, 2, 1n);
  }

  get stopped(): boolean {
    return Atomics.load(this.cells, 2) !== 0n;
  }
}
