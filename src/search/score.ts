import { metricOf, type MetricName } from '../tasks/metrics/metrics.js';
import { requireThat } from './require.js';

/** A plan as the trade-off sees it: its metric, and its footprint in bytes. */
export interface Scored {
  readonly metric: number;
  readonly bytes: number;
}

/** The model a trade-off is made for. */
export interface ScoreContext {
  readonly metric: MetricName;
  /** The unquantized footprint m_0. */
  readonly fp32Bytes: number;
}

/**
 * The paper's trade-off score with its sign turned so that larger is better for either metric:
 * accuracy S = A − λ·m_q/m_0; perplexity −S = −(PPL + λ·m_q/m_0). (arXiv 2601.00679.)
 *
 * @throws {SearchError} when λ is not in [0, 1].
 */
export function merit(plan: Scored, lambda: number, context: ScoreContext): number {
  checkLambda(lambda);
  const cost = (lambda * plan.bytes) / context.fp32Bytes;
  return metricOf(context.metric).goodness(plan.metric) - cost;
}

/** The score S as the paper writes it: largest wins for accuracy, smallest for perplexity. */
export function score(plan: Scored, lambda: number, context: ScoreContext): number {
  return metricOf(context.metric).goodness(merit(plan, lambda, context));
}

/**
 * The candidate with the best score at λ; nothing is measured. Of equal scores the first in order wins,
 * as in numpy's argmax. Unlike there, a NaN metric never wins.
 *
 * @returns undefined where no candidate has a number for a metric.
 * @throws {SearchError} when λ is not in [0, 1].
 */
export function select<T extends Scored>(
  candidates: readonly T[],
  lambda: number,
  context: ScoreContext,
): T | undefined {
  checkLambda(lambda);
  let best: T | undefined;
  let bestMerit = NaN;
  for (const candidate of candidates) {
    const value = merit(candidate, lambda, context);
    if (Number.isNaN(value) || (best !== undefined && value <= bestMerit)) continue;
    best = candidate;
    bestMerit = value;
  }
  return best;
}

/** Crossings of lines closer than this are one: they are computed with rounding. */
const CROSSING_WIDTH = 1e-12;

/** The values of λ in [from, to] at which a candidate is selected. */
export interface LambdaInterval<T> {
  readonly candidate: T;
  readonly from: number;
  readonly to: number;
}

/**
 * The candidate that each λ in [0, 1] selects: intervals in rising λ that cover [0, 1] without gaps.
 * A score is a straight line in λ, so these are the pieces of the lines' upper envelope. Where two
 * intervals meet, both score the same, and {@link select} takes the first in order of the candidates.
 * A candidate selected at a single λ only (such a meeting point) has no interval of its own.
 */
export function lambdaIntervals<T extends Scored>(
  candidates: readonly T[],
  context: ScoreContext,
): LambdaInterval<T>[] {
  const lines = candidates
    .map((candidate) => ({
      candidate,
      start: merit(candidate, 0, context),
      slope: -candidate.bytes / context.fp32Bytes,
    }))
    .filter((line) => !Number.isNaN(line.start));
  const intervals: LambdaInterval<T>[] = [];
  // At λ = 0 the highest start wins; of equal ones the flattest, for it wins right after 0.
  let current = lines.toSorted((a, b) => b.start - a.start || b.slope - a.slope).at(0);
  let from = 0;
  while (current !== undefined) {
    const here = current;
    // The next line is the flatter one that crosses this one first; of those, the flattest.
    let next: { line: typeof here; at: number } | undefined;
    for (const line of lines) {
      if (line.slope <= here.slope) continue;
      const at = (here.start - line.start) / (line.slope - here.slope);
      if (next === undefined || at < next.at || (at === next.at && line.slope > next.line.slope))
        next = { line, at };
    }
    const to = next === undefined || next.at > 1 - CROSSING_WIDTH ? 1 : next.at;
    if (to > from + CROSSING_WIDTH) {
      intervals.push({ candidate: here.candidate, from, to });
      from = to;
    }
    current = to < 1 ? next?.line : undefined;
  }
  return intervals;
}

function checkLambda(lambda: number): void {
  const inRange = lambda >= 0 && lambda <= 1;
  requireThat(inRange, 'not a trade-off weight', 'lambda', lambda, 'a number from 0 to 1');
}
