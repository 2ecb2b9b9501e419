import { DataError } from '../../util/errors.js';
import { formatSigned } from '../../util/format.js';
import { packCounts, unpackCounts } from '../../util/packing.js';
import { seededRandom } from '../../util/random.js';
import { Z_95, type Interval } from './intervals.js';
import { meanLossBound } from './loss-bounds.js';
import type { MeasurementBase, Metric } from './metric.js';

/** F1 of class 1, or Matthews' correlation, over sentences of two classes. */
export interface ConfusionMeasurement extends MeasurementBase {
  readonly metric: 'f1' | 'matthews';
  /** The class that each sentence was given and the one that it has, in the order of the data: 0 or 1. */
  readonly predicted: readonly number[];
  readonly labels: readonly number[];
}

/** Two classifiers on the same sentences. */
export interface ConfusionComparison {
  readonly metric: 'f1' | 'matthews';
  /** Value of the other minus value of the baseline. */
  readonly difference: number;
  /** Of the difference: percentiles over resampled sentences, the same ones for both. */
  readonly interval: Interval;
}

/** Sentences by what they are and what they were taken for. */
export interface Confusion {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly falseNegatives: number;
  readonly trueNegatives: number;
}

/** Counts the four kinds. @param items sentences that count, by their place; all by default */
export function confusionOf(
  { predicted, labels }: Pick<ConfusionMeasurement, 'predicted' | 'labels'>,
  items: Iterable<number> = labels.keys(),
): Confusion {
  // [label][predicted]
  const counts = [0, 0, 0, 0];
  for (const item of items) counts[2 * labels[item] + predicted[item]]++;
  const [trueNegatives, falsePositives, falseNegatives, truePositives] = counts;
  return { truePositives, falsePositives, falseNegatives, trueNegatives };
}

/** 2 TP / (2 TP + FP + FN); 0 where nothing is positive, as scikit-learn has it. */
export function f1Of({ truePositives, falsePositives, falseNegatives }: Confusion): number {
  const all = 2 * truePositives + falsePositives + falseNegatives;
  return all === 0 ? 0 : (2 * truePositives) / all;
}

/** (TP·TN − FP·FN) / √((TP+FP)(TP+FN)(TN+FP)(TN+FN)) (Matthews, 1975); 0 where a sum is 0. */
export function matthewsOf(confusion: Confusion): number {
  const {
    truePositives: tp,
    falsePositives: fp,
    falseNegatives: fn,
    trueNegatives: tn,
  } = confusion;
  const product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn);
  return product === 0 ? 0 : (tp * tn - fp * fn) / Math.sqrt(product);
}

const VALUES = { f1: f1Of, matthews: matthewsOf } as const;

/** Times that sentences are drawn anew. */
const RESAMPLES = 1000;
const SEED = 1;

/**
 * 95 % percentile interval of a figure over sentences drawn with replacement (Efron, 1979), the same draws for
 * the same number of sentences.
 */
function bootstrap(items: number, figureOf: (draw: Int32Array) => number): Interval {
  const random = seededRandom(SEED);
  const draw = new Int32Array(items);
  const figures = Array.from({ length: RESAMPLES }, () => {
    for (let at = 0; at < items; at++) draw[at] = Math.floor(random.float() * items);
    return figureOf(draw);
  }).sort((a, b) => a - b);
  const at = (share: number): number => figures[Math.round(share * (RESAMPLES - 1))];
  return { low: at(0.025), high: at(0.975), level: 0.95 };
}

type Answers = Pick<ConfusionMeasurement, 'metric' | 'predicted' | 'labels'>;

/** The value of a metric over all sentences, and its interval. */
export function confusionValue(answers: Answers): { value: number; interval: Interval } {
  const valueOf = VALUES[answers.metric];
  return {
    value: valueOf(confusionOf(answers)),
    interval: bootstrap(answers.labels.length, (draw) => valueOf(confusionOf(answers, draw))),
  };
}

/** By leaving each sentence out: (n − 1)/n times the mean of what is left, less what is left without it. */
function influencesOf(answers: Answers): number[] {
  const { metric, predicted, labels } = answers;
  const whole = confusionOf(answers);
  const without = (label: number, taken: number): number =>
    VALUES[metric]({
      truePositives: whole.truePositives - label * taken,
      falsePositives: whole.falsePositives - (1 - label) * taken,
      falseNegatives: whole.falseNegatives - label * (1 - taken),
      trueNegatives: whole.trueNegatives - (1 - label) * (1 - taken),
    });
  const left = labels.map((label, item) => without(label, predicted[item]));
  const mean = left.reduce((sum, one) => sum + one, 0) / left.length;
  return left.map((one) => ((mean - one) * (left.length - 1)) / left.length);
}

type Packed = Omit<ConfusionMeasurement, 'predicted' | 'labels'> & { readonly sentences: number };

function metricOfConfusion(
  name: 'f1' | 'matthews',
  title: string,
  worst: number,
): Metric<ConfusionMeasurement, ConfusionComparison> {
  const hundredths = (value: number): string => (100 * value).toFixed(1);
  const points = (value: number): string => formatSigned(100 * value, 1);
  return {
    name,
    better: 'higher',
    worst,
    item: { one: 'sentence', many: 'sentences' },
    loss: { unit: 0.01, exponent: -2, name: `points of ${title}` },
    lossOf: (baseline, value) => baseline - value,
    atLoss: (baseline, loss) => Math.max(worst, baseline - loss),
    // Less than any two sentences can make a difference of.
    worseThan: (value) => value - 4e-12,
    goodness: (value) => value,
    // No sum over sentences: nothing is certain before the last one.
    range: () => ({ best: 1, worst }),
    format: hundredths,
    formatRange: ({ low, high }) => `${hundredths(low)}–${hundredths(high)}`,
    detail: (measurement) => {
      const { truePositives, falsePositives, falseNegatives, trueNegatives } =
        confusionOf(measurement);
      return `${truePositives} + ${trueNegatives} right, ${falsePositives} + ${falseNegatives} wrong`;
    },
    compare: (baseline, other) => {
      if (baseline.labels.length !== other.labels.length)
        throw new DataError({
          what: 'measurements of different data cannot be paired: number of sentences',
          where: 'paired comparison',
          got: String(other.labels.length),
          expected: `${baseline.labels.length}, as in the baseline`,
        });
      const valueOf = VALUES[name];
      return {
        metric: name,
        difference: other.value - baseline.value,
        interval: bootstrap(
          baseline.labels.length,
          (draw) => valueOf(confusionOf(other, draw)) - valueOf(confusionOf(baseline, draw)),
        ),
      };
    },
    comparison: { change: 'change, points', certainty: '95 % interval' },
    compared: ({ difference, interval: { low, high } }) => ({
      change: points(difference),
      certainty: `${points(low)} to ${points(high)}`,
    }),
    stated: ({ difference, interval: { low, high } }) => ({
      text: `${points(difference)} points of ${title} (95 %: ${points(low)} to ${points(high)})`,
      clear: low > 0 || high < 0,
    }),
    influences: influencesOf,
    lossInterval: (_baseline, _other, { loss, standardError }) =>
      standardError === undefined
        ? undefined
        : { low: loss - Z_95 * standardError, high: loss + Z_95 * standardError },
    lossBound: (baseline, _other, { loss, standardError }) =>
      standardError === undefined
        ? undefined
        : meanLossBound(loss, standardError, baseline.labels.length),
    // The class given and the true one in one number.
    pack: ({ predicted, labels, ...rest }) => ({
      record: { ...rest, sentences: labels.length },
      items: packCounts(labels.map((label, item) => 2 * label + predicted[item])),
    }),
    unpack: (record, items) => {
      const { sentences, ...rest } = record as Packed;
      const both = unpackCounts(items).slice(0, sentences);
      return {
        ...rest,
        predicted: both.map((one) => one & 1),
        labels: both.map((one) => one >> 1),
      };
    },
  };
}

/** F1 of class 1, for paraphrases. */
export const F1 = metricOfConfusion('f1', 'F1', 0);
/** Matthews' correlation, for grammaticality. */
export const MATTHEWS = metricOfConfusion('matthews', 'Matthews correlation', -1);
