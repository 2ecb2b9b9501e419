import { DataError } from '../../util/errors.js';
import { formatCount, formatProbability, formatSigned } from '../../util/format.js';
import { packBits, unpackBits } from '../../util/packing.js';
import { pairedLossBound, pairedLossRange } from './loss-bounds.js';
import type { MeasurementBase, Metric } from './metric.js';
import { binomialDistribution, errorFunction } from './simple-statistics.js';

/** Accuracy over sentences, in [0, 1]. */
export interface AccuracyMeasurement extends MeasurementBase {
  readonly metric: 'accuracy';
  /** 1 where the sentence was classified rightly, in the order of the data. */
  readonly correct: readonly (0 | 1)[];
}

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

/** "= 0.43", "< 0.001" */
const equation = (p: number): string => formatProbability(p).replace(/^(?=\d)/, '= ');

const percent = (share: number): string => (100 * share).toFixed(1);

/** Right answers ÷ all. */
export const ACCURACY: Metric<AccuracyMeasurement, AccuracyComparison> = {
  name: 'accuracy',
  better: 'higher',
  worst: 0,
  item: { one: 'sentence', many: 'sentences' },
  loss: { unit: 0.01, exponent: -2, name: 'points' },

  lossOf: (baseline, value) => baseline - value,
  atLoss: (baseline, loss) => Math.max(0, baseline - loss),
  // An accuracy is a number of items; the rounding of a quotient is no item.
  worseThan: (value, { items }) => (Math.ceil(value * items - 1e-6) - 1) / items,
  goodness: (value) => value,
  // All items left could still be right, or wrong.
  range: (tally, { items }) => ({
    best: (tally.sum + items - tally.items) / items,
    worst: tally.sum / items,
  }),

  format: (value) => `${percent(value)} %`,
  formatRange: ({ low, high }) => `${percent(low)}–${percent(high)} %`,
  detail: ({ correct, items }) =>
    `${formatCount(correct.filter(Boolean).length)} of ${formatCount(items)}`,

  compare: (baseline, other) => {
    if (baseline.correct.length !== other.correct.length)
      throw new DataError({
        what: 'measurements of different data cannot be paired: number of sentences',
        where: 'paired comparison',
        got: String(other.correct.length),
        expected: `${baseline.correct.length}, as in the baseline`,
      });
    return compareAnswers(baseline.correct, other.correct);
  },
  comparison: { change: 'change, points', certainty: 'McNemar p' },
  compared: ({ difference, pValue }) => ({
    change: formatSigned(100 * difference, 1),
    certainty: formatProbability(pValue),
  }),
  stated: ({ difference, pValue }) => ({
    text: `${formatSigned(100 * difference, 1)} points (McNemar p ${equation(pValue)})`,
    clear: pValue < 0.05,
  }),

  influences: ({ correct, value }) => correct.map((right) => (right - value) / correct.length),
  lossInterval: (baseline, other) => {
    const { onlyBaseline, onlyOther } = compareAnswers(baseline.correct, other.correct);
    return pairedLossRange(onlyBaseline, onlyOther, baseline.correct.length);
  },
  lossBound: (baseline, other) => {
    const { onlyBaseline, onlyOther } = compareAnswers(baseline.correct, other.correct);
    return pairedLossBound(onlyBaseline, onlyOther, baseline.correct.length);
  },

  byItem: {
    values: ({ correct }) => correct,
    losses: ({ correct }, items, values) => items.map((item, at) => correct[item] - values[at]),
    meanAt: ({ value: baseline }, value) => baseline - value,
    valueAt: ({ value: baseline }, mean) => baseline - mean,
    bound: 1,
  },

  // A bit a sentence.
  pack: ({ correct, ...rest }) => ({
    record: { ...rest, sentences: correct.length },
    items: packBits(correct),
  }),
  unpack: (record, items) => {
    const { sentences, ...rest } = record as Packed;
    return { ...rest, correct: unpackBits(items, sentences) };
  },
};

type Packed = Omit<AccuracyMeasurement, 'correct'> & { readonly sentences: number };

/** From this many discordant pairs on, the chi-square approximation replaces the exact test. */
const FEWEST_FOR_CHI_SQUARE = 25;

/**
 * McNemar (1947) with Edwards' (1948) continuity correction; below 25 discordant pairs the exact binomial
 * test instead. The chi-square p is good to 7 digits down to about 1e-9; below 1e-15 it reads 0.
 */
function compareAnswers(baseline: readonly number[], other: readonly number[]): AccuracyComparison {
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
