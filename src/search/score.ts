import { metricOf, type MetricName } from '../tasks/metrics/metrics.js';
import type { Limits } from './constraints.js';
import { requireThat } from './require.js';

/** A plan as the trade-off sees it: its metric, its footprint in bytes, and where it counts its energy. */
export interface Scored {
  readonly metric: number;
  readonly bytes: number;
  /** Modelled energy of a token, in microjoules; asked for where energy is an objective. */
  readonly energy?: number | undefined;
}

/**
 * The trade-off scores:
 *
 *     paper      accuracy − λ·m/m_0 (largest wins), perplexity + λ·m/m_0 (smallest wins); λ ≥ 0
 *     balanced   (1 − λ)·loss/allowed loss + λ·m/allowed memory (smallest wins); λ from 0 to 1
 *
 * m is the footprint, m_0 the unquantized one. Both order plans by straight lines in (memory, loss), so for
 * any λ of one there is a λ of the other that orders them alike ({@link paperWeight}); they differ in which
 * λ that is. From 0 to 1 the balanced score goes over all slopes, and so reaches each vertex of the convex
 * hull of the Pareto front; the paper's does so from 0 to infinity.
 *
 * Where energy is an objective of its own, either score has ε·e/e_0 against it, e the modelled energy of a
 * token and e_0 the unquantized model's; ε ≥ 0 is no λ, and stays as it is while λ changes.
 */
export const SCORE_NAMES = ['paper', 'balanced'] as const;
/** A score by its name. */
export type ScoreName = (typeof SCORE_NAMES)[number];

/** One of each axis, for the balanced score. */
export interface ScoreUnits {
  /** The unquantized model's metric, which losses are counted from. */
  readonly baseline: number;
  /** The allowed loss. */
  readonly loss: number;
  /** The allowed memory in bytes. */
  readonly bytes: number;
}

/** Modelled energy as an objective. */
export interface EnergyTerm {
  /** ε, above 0. */
  readonly weight: number;
  /** The unquantized model's modelled energy of a token e_0, in microjoules. */
  readonly unquantized: number;
}

/** The model a trade-off is made for, and the score that it is made with. */
export interface ScoreContext {
  readonly metric: MetricName;
  /** The unquantized footprint m_0. */
  readonly fp32Bytes: number;
  /** Units of the balanced score; the paper's score where they are absent. */
  readonly balanced?: ScoreUnits;
  /** Energy is no objective where it is absent. */
  readonly energy?: EnergyTerm;
}

/** A score for the results of a search under limits. @param energy where that is an objective too. */
export function scoreContext(
  score: ScoreName,
  { quality, maxBytes }: Limits,
  fp32Bytes: number,
  energy?: EnergyTerm,
): ScoreContext {
  const { metric, baseline, allowedLoss } = quality;
  const third = energy && { energy };
  if (score === 'paper') return { metric, fp32Bytes, ...third };
  // Where a limit is missing, or leaves nothing to divide by: a point, or one of perplexity; the whole memory.
  const loss = Number.isFinite(allowedLoss) && allowedLoss > 0 ? allowedLoss : 0;
  const bytes = Number.isFinite(maxBytes) && maxBytes > 0 ? maxBytes : 0;
  const balanced = {
    baseline,
    loss: loss || metricOf(metric).loss.unit,
    bytes: bytes || fp32Bytes,
  };
  return { metric, fp32Bytes, balanced, ...third };
}

/** The weight of the paper's score that orders plans as a weight of the balanced score does. */
export function paperWeight(
  lambda: number,
  { loss, bytes }: ScoreUnits,
  fp32Bytes: number,
): number {
  return ((loss * fp32Bytes) / bytes) * (lambda / (1 - lambda));
}

/** The largest weight of a score. */
export function largestWeight({ balanced }: Pick<ScoreContext, 'balanced'>): number {
  return balanced === undefined ? Infinity : 1;
}

/**
 * A score with its sign turned so that larger is better for either metric and either score. Of the paper's
 * (arXiv 2601.00679): accuracy S = A − λ·m_q/m_0; perplexity −S = −(PPL + λ·m_q/m_0).
 *
 * @throws {SearchError} when λ is negative, not finite, or above 1 for the balanced score; for a plan whose
 *   energy is not known where that is an objective.
 */
export function merit(plan: Scored, lambda: number, context: ScoreContext): number {
  checkLambda(lambda, context);
  const { balanced, fp32Bytes } = context;
  const metric = metricOf(context.metric);
  const energy = energyCost(plan, context);
  // In the order of these operations figures do the same, so that both round alike.
  if (balanced === undefined)
    return metric.goodness(plan.metric) - (lambda * plan.bytes) / fp32Bytes - energy;
  const loss = metric.lossOf(balanced.baseline, plan.metric);
  return -(((1 - lambda) * loss) / balanced.loss + (lambda * plan.bytes) / balanced.bytes + energy);
}

/** ε·e/e_0; 0 where energy is no objective. */
function energyCost({ energy }: Scored, context: Pick<ScoreContext, 'energy'>): number {
  if (context.energy === undefined) return 0;
  const known = energy !== undefined && Number.isFinite(energy);
  requireThat(
    known,
    'the energy of a plan is not known',
    'energy weight',
    energy ?? NaN,
    'a number',
  );
  return (context.energy.weight * energy!) / context.energy.unquantized;
}

/** The score S as it is written: the paper's is largest for the best accuracy, else the smallest is best. */
export function score(plan: Scored, lambda: number, context: ScoreContext): number {
  const value = merit(plan, lambda, context);
  return context.balanced === undefined ? metricOf(context.metric).goodness(value) : -value;
}

/**
 * The candidate with the best score at λ; nothing is measured. Of equal scores of the paper's the first in
 * order wins, as in numpy's argmax; unlike there, a NaN metric never does. Of equal balanced scores the
 * smaller plan wins, then the better, then the first: none that another beats in both.
 *
 * @returns undefined where no candidate has a number for a metric.
 * @throws {SearchError} as `merit`.
 */
export function select<T extends Scored>(
  candidates: readonly T[],
  lambda: number,
  context: ScoreContext,
): T | undefined {
  checkLambda(lambda, context);
  const { goodness } = metricOf(context.metric);
  const winsTie = (one: Scored, other: Scored): boolean => {
    if (context.balanced === undefined) return false;
    if (one.bytes !== other.bytes) return one.bytes < other.bytes;
    return goodness(one.metric) > goodness(other.metric);
  };
  let best: T | undefined;
  let bestMerit = NaN;
  for (const candidate of candidates) {
    const value = merit(candidate, lambda, context);
    if (Number.isNaN(value)) continue;
    if (best !== undefined && value < bestMerit) continue;
    if (best !== undefined && value === bestMerit && !winsTie(candidate, best)) continue;
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
  /** Infinity for the last of the paper's score. */
  readonly to: number;
}

/**
 * The candidate that each λ selects: intervals in rising λ that cover [0, 1] of the balanced score, or
 * [0, ∞) of the paper's, without gaps. A score is a straight line in λ, so these are the pieces of the
 * lines' upper envelope, and their candidates the vertices of the convex hull of the Pareto front. Where two
 * intervals meet, both score the same. A candidate selected at a single λ only (such a meeting point) has no
 * interval of its own.
 */
export function lambdaIntervals<T extends Scored>(
  candidates: readonly T[],
  context: ScoreContext,
): LambdaInterval<T>[] {
  const end = largestWeight(context);
  const lines = candidates
    .map((candidate) => {
      const start = merit(candidate, 0, context);
      return { candidate, start, slope: slopeOf(candidate, start, context) };
    })
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
    const to = next === undefined || next.at > end - CROSSING_WIDTH ? end : next.at;
    if (to > from + CROSSING_WIDTH) {
      intervals.push({ candidate: here.candidate, from, to });
      from = to;
    }
    current = to < end ? next?.line : undefined;
  }
  return intervals;
}

/** The change of a merit as λ grows by 1. Not a difference of merits, which would round away small plans. */
function slopeOf(plan: Scored, start: number, context: ScoreContext): number {
  const { balanced, fp32Bytes } = context;
  if (balanced === undefined) return -plan.bytes / fp32Bytes;
  return -start - energyCost(plan, context) - plan.bytes / balanced.bytes;
}

/** @throws {SearchError} for a weight of energy that is none. */
export function checkEnergyWeight(weight: number): void {
  const inRange = weight >= 0 && Number.isFinite(weight);
  requireThat(inRange, 'not a weight of energy', 'energy weight', weight, 'a number of at least 0');
}

/** @throws {SearchError} for a weight that the score does not have. */
export function checkLambda(lambda: number, context: Pick<ScoreContext, 'balanced'>): void {
  const most = largestWeight(context);
  const inRange = lambda >= 0 && lambda <= most && Number.isFinite(lambda);
  const expected =
    most === 1 ? 'a number from 0 to 1 for the balanced score' : 'a number of at least 0';
  requireThat(inRange, 'not a trade-off weight', 'lambda', lambda, expected);
}
