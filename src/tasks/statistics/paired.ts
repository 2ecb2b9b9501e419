import { DataError } from '../../util/errors.js';
import { perplexityOf, ratioEstimate, Z_95 } from './intervals.js';
import { binomialDistribution, errorFunction } from './simple-statistics.js';
import type { AccuracyMeasurement, Interval, Measurement, PerplexityMeasurement } from '../task.js';

export { perplexityInterval, wilsonInterval } from './intervals.js';

/** McNemar's test of two classifiers on the same sentences. */
export interface AccuracyComparison {
  readonly metric: 'accuracy';
  /** Accuracy of the other minus accuracy of the baseline, in [−1, 1]. */
  readonly difference: number;
  /** Sentences that only the baseline classifies rightly: McNemar's b. */
  readonly onlyBaseline: number;
  /** Sentences that only the other classifies rightly: McNemar's c. */
  readonly onlyOther: number;
  /** Two-sided probability of a split at least this uneven if both are equally good. */
  readonly pValue: number;
  readonly test: 'exact binomial' | 'chi-square with continuity correction';
}

/** Paired difference of two language models on the same windows. */
export interface PerplexityComparison {
  readonly metric: 'perplexity';
  /** Mean negative log-likelihood of the other minus that of the baseline, nats a token. */
  readonly difference: number;
  /** Of the difference, from the windows' paired differences. Absent with a single window. */
  readonly standardError?: number;
  /** 95 % interval of the difference (normal). Absent with a single window. */
  readonly interval?: Interval;
  /** Perplexity of the other over perplexity of the baseline: exp(difference). */
  readonly ratio: number;
  /** 95 % interval of the ratio. Absent with a single window. */
  readonly ratioInterval?: Interval;
}

export type PairedComparison = AccuracyComparison | PerplexityComparison;

/**
 * Compares two measurements of the same task, item by item: much sharper than comparing their
 * intervals, because both models find the same items hard.
 *
 * @throws {DataError} when they are not of the same task, metric and items.
 */
export function comparePaired(
  baseline: AccuracyMeasurement,
  other: AccuracyMeasurement,
): AccuracyComparison;
export function comparePaired(
  baseline: PerplexityMeasurement,
  other: PerplexityMeasurement,
): PerplexityComparison;
export function comparePaired(baseline: Measurement, other: Measurement): PairedComparison;
export function comparePaired(baseline: Measurement, other: Measurement): PairedComparison {
  requireSame('metric', baseline.metric, other.metric);
  requireSame('task', baseline.taskId, other.taskId);
  if (baseline.metric === 'accuracy' && other.metric === 'accuracy') {
    requireSame('number of sentences', baseline.correct.length, other.correct.length);
    return compareAccuracies(baseline.correct, other.correct);
  }
  const before = baseline as PerplexityMeasurement;
  const after = other as PerplexityMeasurement;
  requireSame('windows', before.windowTokens.join(' '), after.windowTokens.join(' '));
  return comparePerplexities(before, after);
}

/** From this many discordant pairs on, the chi-square approximation replaces the exact test. */
const FEWEST_FOR_CHI_SQUARE = 25;

/**
 * McNemar (1947) with Edwards' (1948) continuity correction; below 25 discordant pairs the exact
 * binomial test instead. The chi-square p is good to 7 digits down to about 1e-9; below 1e-15 it
 * reads 0.
 */
function compareAccuracies(
  baseline: readonly number[],
  other: readonly number[],
): AccuracyComparison {
  const onlyBaseline = baseline.filter((right, i) => right === 1 && other[i] === 0).length;
  const onlyOther = other.filter((right, i) => right === 1 && baseline[i] === 0).length;
  const exact = onlyBaseline + onlyOther < FEWEST_FOR_CHI_SQUARE;
  return {
    metric: 'accuracy',
    difference: (onlyOther - onlyBaseline) / baseline.length,
    onlyBaseline,
    onlyOther,
    pValue: exact
      ? exactMcNemar(onlyBaseline, onlyOther)
      : chiSquareMcNemar(onlyBaseline, onlyOther),
    test: exact ? 'exact binomial' : 'chi-square with continuity correction',
  };
}

/** Two-sided: twice the probability of at most min(b, c) heads in b + c throws, at most 1. */
function exactMcNemar(b: number, c: number): number {
  if (b === c) return 1;
  const probabilities = binomialDistribution(b + c, 0.5)!;
  let tail = 0;
  for (let heads = 0; heads <= Math.min(b, c); heads++) tail += probabilities[heads];
  return Math.min(1, 2 * tail);
}

/** P(χ²₁ > x) = 1 − erf(√(x/2)). */
function chiSquareMcNemar(b: number, c: number): number {
  const chiSquare = Math.max(0, Math.abs(b - c) - 1) ** 2 / (b + c);
  // The approximation of erf may fall a hair below 0 at 0.
  return Math.min(1, 1 - errorFunction(Math.sqrt(chiSquare / 2)));
}

function comparePerplexities(
  baseline: PerplexityMeasurement,
  other: PerplexityMeasurement,
): PerplexityComparison {
  const differences = other.windowNll.map((nll, window) => nll - baseline.windowNll[window]);
  const { ratio: difference, standardError } = ratioEstimate(differences, baseline.windowTokens);
  const result = { metric: 'perplexity', difference, ratio: perplexityOf(difference) } as const;
  if (standardError === undefined) return result;
  const [low, high] = [difference - Z_95 * standardError, difference + Z_95 * standardError];
  return {
    ...result,
    standardError,
    interval: { low, high, level: 0.95 },
    ratioInterval: { low: perplexityOf(low), high: perplexityOf(high), level: 0.95 },
  };
}

function requireSame(what: string, baseline: number | string, other: number | string): void {
  if (baseline === other) return;
  throw new DataError({
    what: `measurements of different data cannot be paired: ${what}`,
    where: 'paired comparison',
    got: abridge(String(other)),
    expected: `${abridge(String(baseline))}, as in the baseline`,
  });
}

function abridge(text: string): string {
  return text.length > 24 ? `${text.slice(0, 24)}…` : text;
}
