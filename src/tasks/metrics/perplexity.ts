import { DataError } from '../../util/errors.js';
import { formatFixed, formatSigned } from '../../util/format.js';
import { packCounts, packDoubles, unpackCounts, unpackDoubles } from '../../util/packing.js';
import { perplexityOf, plainSum, ratioEstimate, Z_95, type Interval } from './intervals.js';
import { meanLossBound } from './loss-bounds.js';
import type { MeasurementBase, Metric } from './metric.js';

/** Token perplexity: exp of the mean negative log-likelihood. */
export interface PerplexityMeasurement extends MeasurementBase {
  readonly metric: 'perplexity';
  /** Summed negative log-likelihood of each window in nats, in the order of the text. */
  readonly windowNll: readonly number[];
  /** Tokens predicted in each window. */
  readonly windowTokens: readonly number[];
  /** Mean negative log-likelihood, nats a token. */
  readonly meanNll: number;
  /** Bits a byte of the UTF-8 text predicted: compares across tokenizers. */
  readonly bitsPerByte: number;
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

/** A hopeless perplexity loses its decimals, then its digits. */
function format(value: number): string {
  if (value < 1000) return value.toFixed(2);
  return value < 1e6 ? value.toFixed(0) : value.toExponential(1);
}

/** The ends of an interval deserve a digit less than the value. */
function formatEnd(value: number): string {
  return value >= 10 && value < 1000 ? value.toFixed(1) : format(value);
}

/** A ratio as a change: "+1.3 %". */
function changeText(ratio: number): string {
  return `${formatSigned(100 * (ratio - 1), 1)} %`;
}

/** exp of the mean negative log-likelihood in nats. */
export const PERPLEXITY: Metric<PerplexityMeasurement, PerplexityComparison> = {
  name: 'perplexity',
  better: 'lower',
  worst: Infinity,
  item: { one: 'window', many: 'windows' },
  loss: { unit: 1, exponent: 0, name: 'of perplexity' },

  lossOf: (baseline, value) => value - baseline,
  atLoss: (baseline, loss) => baseline + loss,
  // More than LIMIT_TOLERANCE, and than the doubles around the value are apart.
  worseThan: (value) => value + Math.max(4e-12, 4 * Number.EPSILON * value),
  goodness: (value) => -value,
  // The NLL of a token is at least 0, so that the sum can only grow, by any amount.
  range: ({ sum }, { tokens }) => ({ best: Math.exp(sum / tokens), worst: Infinity }),

  format,
  formatRange: ({ low, high }) => `${formatEnd(low)}–${formatEnd(high)}`,
  detail: () => '',

  compare: (baseline, other) => {
    if (baseline.windowTokens.join(' ') !== other.windowTokens.join(' '))
      throw new DataError({
        what: 'measurements of different data cannot be paired: windows',
        where: 'paired comparison',
        got: `${other.windowTokens.length} windows`,
        expected: `the ${baseline.windowTokens.length} of the baseline`,
      });
    return compareLikelihoods(baseline, other);
  },
  comparison: { change: 'change, nats/token', certainty: '± SE' },
  compared: ({ difference, standardError }) => ({
    change: formatSigned(difference, 4),
    certainty: standardError === undefined ? '–' : formatFixed(standardError, 4),
  }),
  stated: ({ ratio, ratioInterval: range }) =>
    range === undefined
      ? { text: `${changeText(ratio)} (no interval: a single window)` }
      : {
          text: `${changeText(ratio)} (95 %: ${changeText(range.low)} to ${changeText(range.high)})`,
          clear: range.low > 1 || range.high < 1,
        },

  // d exp(N/T) = exp(N/T)·(dN − (N/T)·dT)/T.
  influences: ({ windowNll, windowTokens, meanNll, value }) => {
    const tokens = plainSum(windowTokens);
    return windowNll.map(
      (nll, window) => (value * (nll - meanNll * windowTokens[window])) / tokens,
    );
  },
  lossInterval: (_baseline, _other, { loss, standardError }) =>
    standardError === undefined
      ? undefined
      : { low: loss - Z_95 * standardError, high: loss + Z_95 * standardError },
  lossBound: ({ windowNll }, _, { loss, standardError }) =>
    standardError === undefined ? undefined : meanLossBound(loss, standardError, windowNll.length),

  // Nats a token, with windows weighed by their tokens: their mean is the logarithm of the ratio.
  byItem: {
    values: ({ windowNll }) => windowNll,
    losses: ({ windowNll, items: windows, tokens }, items, values) =>
      items.map((item, at) => ((values[at] - windowNll[item]) * windows) / tokens),
    meanAt: ({ value: baseline }, value) => Math.log(value / baseline),
    valueAt: ({ value: baseline }, mean) => baseline * Math.exp(mean),
  },

  // 12 bytes a window.
  pack: ({ windowNll, windowTokens, ...rest }) => ({
    record: { ...rest, windows: windowNll.length },
    items: Buffer.concat([packDoubles(windowNll), packCounts(windowTokens)]),
  }),
  unpack: (record, items) => {
    const { windows, ...rest } = record as Packed;
    return {
      ...rest,
      windowNll: unpackDoubles(items.subarray(0, 8 * windows)),
      windowTokens: unpackCounts(items.subarray(8 * windows)),
    };
  },
};

type Packed = Omit<PerplexityMeasurement, 'windowNll' | 'windowTokens'> & {
  readonly windows: number;
};

function compareLikelihoods(
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
