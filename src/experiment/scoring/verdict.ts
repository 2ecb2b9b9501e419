import { meetsLimit, type MetricLimit } from '../../search/constraints.js';
import type { Need, VerdictEvaluation } from '../../search/evaluation.js';
import type { Tally, Whole } from '../../tasks/metrics/metric.js';
import { metricOf } from '../../tasks/metrics/metrics.js';
import type { BatchScores } from '../../tasks/task.js';

/** The limit that a plan may keep or break, and the use of the answer. */
export interface Asked {
  readonly need: Need;
  readonly limit: MetricLimit;
}

/** The question an evaluation may stop on, as plain data. */
export interface VerdictQuestion extends Asked {
  /** Of the whole task. */
  readonly items: number;
  readonly tokens: number;
}

/** The verdict once no score still to come can change it; undefined before. */
export function certainVerdict(
  { need, limit, items, tokens }: VerdictQuestion,
  tally: Tally,
): VerdictEvaluation | undefined {
  if (need === 'exact') return undefined;
  const { best, worst } = metricOf(limit.metric).range(tally, { items, tokens });
  if (!meetsLimit(limit, best)) return { kind: 'verdict', passes: false, bound: best };
  // A metric that can still become as bad as one likes passes only at the end.
  if (need === 'verdict' && Number.isFinite(worst) && meetsLimit(limit, worst))
    return { kind: 'verdict', passes: true, bound: worst };
  return undefined;
}

/**
 * A refusal, as far as it is the same however soon it was certain: the bound is the limit itself. What was
 * seen of a plan before it was stopped depends on the timing of threads, and a plan measured for another
 * question would be known to the end; a search that told the one from the other would give another picture
 * with every store.
 */
export function refusalOf(limit: MetricLimit, whole: Whole): VerdictEvaluation {
  const { atLoss, worseThan } = metricOf(limit.metric);
  const bound = worseThan(atLoss(limit.baseline, limit.allowedLoss), whole);
  return { kind: 'verdict', passes: false, bound };
}

/** Micro-nats: NLL sums are shared as whole numbers of them, rounded down. Right answers are whole. */
const UNITS_PER_SUM = 1e6;

/**
 * The most one batch adds, 1e9 nats: a plan that breaks the model can give NLLs whose sum would wrap a
 * 64-bit integer. Adding less keeps the sum what it has to be, a lower bound.
 */
const MOST_UNITS = 1e15;

/**
 * A {@link Tally} that several threads add to, as integers, so that concurrent additions lose nothing. A
 * reading never counts items whose score it lacks: the score is added before its items, and read after them.
 * A score ahead of its items is harmless, since it only makes the best that can still come look better.
 */
export class SharedTally {
  private readonly cells: BigInt64Array;

  constructor(readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(32)) {
    this.cells = new BigInt64Array(buffer);
  }

  /** Adds a batch. @param tokens of its items, for progress */
  add({ values }: BatchScores, tokens = 0): void {
    const sum = values.reduce((total, value) => total + value, 0);
    Atomics.add(this.cells, 1, BigInt(Math.floor(Math.min(sum * UNITS_PER_SUM, MOST_UNITS))));
    Atomics.add(this.cells, 0, BigInt(values.length));
    Atomics.add(this.cells, 3, BigInt(tokens));
  }

  /** The tally so far. */
  read(): Tally {
    const items = Number(Atomics.load(this.cells, 0));
    const sum = Number(Atomics.load(this.cells, 1)) / UNITS_PER_SUM;
    return { items, sum };
  }

  /** Tokens of the items so far. */
  get tokens(): number {
    return Number(Atomics.load(this.cells, 3));
  }

  /** Asks everyone who watches this tally to stop at the next batch. */
  stop(): void {
    Atomics.store(this.cells, 2, 1n);
  }

  /** True once somebody has asked to stop. */
  get stopped(): boolean {
    return Atomics.load(this.cells, 2) !== 0n;
  }
}
