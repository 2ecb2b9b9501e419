import { metricOf, type MetricName } from '../tasks/metrics/metrics.js';
import { SearchError } from '../util/errors.js';
import { requireThat } from './require.js';

/** Rounding noise that a step may exceed a quality limit by: the differences of two metrics are inexact. */
export const LIMIT_TOLERANCE = 1e-12;

/** A limit as a number in its own unit, or as a share of the unquantized model's figure. */
export type Bound =
  | { readonly kind: 'absolute'; readonly value: number }
  | { readonly kind: 'share'; readonly share: number };

/** The limits that a plan must keep (the paper's const_a and const_m); an absent one is always kept. */
export interface Constraints {
  /**
   * The largest loss: accuracy points (0.02 is two points) or perplexity; as a share, of the
   * unquantized model's metric.
   */
  readonly loss?: Bound;
  /** The largest footprint, in bytes or as a share of the unquantized model's. */
  readonly memory?: Bound;
  /** The metric that an absolute loss is of, where it is stated: a search by another one refuses it. */
  readonly metric?: MetricName;
}

/** Limits in the units that people think in; one of loss and one of memory at most. */
export interface LimitsRequest {
  /** Accuracy points to lose at most: 3 allows 74 % of 77 %. */
  readonly points?: number;
  /** Perplexity to add at most. */
  readonly perplexity?: number;
  /** Loss as a share of the unquantized model's metric: 0.05. */
  readonly loss?: number;
  /** Memory as a share of float32: 0.2. */
  readonly memory?: number;
  /** Memory in MB (10⁶ bytes). */
  readonly megabytes?: number;
}

/**
 * The constraints of a search: `limits({ points: 3, memory: 0.2 })`. What is left out is not limited.
 *
 * @throws {SearchError} for two limits on one thing, a negative one, and a share above 1.
 */
export function limits(request: LimitsRequest): Constraints {
  const { points, perplexity, loss, memory, megabytes } = request;
  requireOne({ points, perplexity, loss });
  requireOne({ memory, megabytes });
  for (const [name, value] of Object.entries(request) as [string, number][])
    requireThat(value >= 0, 'not a limit', name, value, 'a number of at least 0');
  const share = 'a share, at most 1; points, perplexity and megabytes have names of their own';
  for (const [name, value] of Object.entries({ loss, memory }))
    requireThat(value === undefined || value <= 1, 'not a share', name, value!, share);
  const absolute = (value: number): Bound => ({ kind: 'absolute', value });
  return {
    ...(points !== undefined && { loss: absolute(points / 100), metric: 'accuracy' }),
    ...(perplexity !== undefined && { loss: absolute(perplexity), metric: 'perplexity' }),
    ...(loss !== undefined && { loss: { kind: 'share', share: loss } }),
    ...(memory !== undefined && { memory: { kind: 'share', share: memory } }),
    ...(megabytes !== undefined && { memory: absolute(megabytes * 1e6) }),
  };
}

function requireOne(given: Readonly<Record<string, number | undefined>>): void {
  const names = Object.keys(given).filter((name) => given[name] !== undefined);
  if (names.length <= 1) return;
  throw new SearchError({
    what: 'two limits on one thing',
    where: 'limits',
    got: names.join(' and '),
    expected: `one of ${Object.keys(given).join(', ')}`,
  });
}

/** A quality limit in numbers: plain data, so that it can be sent to a worker. */
export interface MetricLimit {
  readonly metric: MetricName;
  /** The unquantized model's metric. */
  readonly baseline: number;
  /** The largest loss, at least 0; Infinity where there is no limit. */
  readonly allowedLoss: number;
}

/** {@link Constraints} for one model and task. */
export interface Limits {
  readonly quality: MetricLimit;
  /** Infinity where there is no limit. */
  readonly maxBytes: number;
}

/**
 * @param fp32Bytes the unquantized footprint.
 * @throws {SearchError} when a limit is negative, NaN or of another metric, or the baseline is not finite.
 */
export function resolveLimits(
  constraints: Constraints,
  metric: MetricName,
  baseline: number,
  fp32Bytes: number,
): Limits {
  const fault = 'the unquantized model cannot be measured';
  const expected = 'a finite number to compare with';
  requireThat(Number.isFinite(baseline), fault, metric, baseline, expected);
  const { loss, memory } = constraints;
  if (constraints.metric !== undefined && constraints.metric !== metric)
    throw new SearchError({
      what: 'the limit is of another metric',
      where: 'loss limit',
      got: `a loss of ${constraints.metric}, for a search by ${metric}`,
      expected: `a loss of ${metric}, or a share of it`,
    });
  return {
    quality: { metric, baseline, allowedLoss: resolve(loss, Math.abs(baseline), 'loss limit') },
    maxBytes: resolve(memory, fp32Bytes, 'memory limit'),
  };
}

function resolve(bound: Bound | undefined, whole: number, where: string): number {
  if (bound === undefined) return Infinity;
  const value = bound.kind === 'absolute' ? bound.value : bound.share * whole;
  requireThat(value >= 0, 'not a limit', where, value, 'a number of at least 0');
  return value;
}

/** Loss against the unquantized model: positive is worse. NaN for a NaN metric. */
export function lossUnder({ metric, baseline }: MetricLimit, value: number): number {
  return metricOf(metric).lossOf(baseline, value);
}

/**
 * True where a metric keeps the limit, to within `LIMIT_TOLERANCE`; NaN never does. An evaluator that stops
 * early must decide with this function, so that its verdict is the one the full metric would get.
 */
export function meetsLimit(limit: MetricLimit, value: number): boolean {
  return lossUnder(limit, value) <= limit.allowedLoss + LIMIT_TOLERANCE;
}

export type CaseName = 'a1' | 'a2' | 'a3' | 'b1' | 'b2' | 'b3';

export interface Case {
  readonly metric: MetricName;
  readonly constraints: {
    readonly loss: Extract<Bound, { kind: 'absolute' }>;
    readonly memory: Extract<Bound, { kind: 'share' }>;
  };
}

/**
 * The paper's six cases (arXiv 2601.00679): at most 400 MB or 420 MB of SpikeGPT-216M's 861.6 MB, with
 * 2 or 5 accuracy points or 1 or 4 of perplexity to lose. The memory is a share, so a case fits any model.
 */
export const CASES: Readonly<Record<CaseName, Case>> = {
  a1: scaledCase('accuracy', 0.02, 0.464),
  a2: scaledCase('accuracy', 0.05, 0.464),
  a3: scaledCase('accuracy', 0.05, 0.487),
  b1: scaledCase('perplexity', 1, 0.464),
  b2: scaledCase('perplexity', 4, 0.464),
  b3: scaledCase('perplexity', 4, 0.487),
};

function scaledCase(metric: MetricName, value: number, share: number): Case {
  return {
    metric,
    constraints: { loss: { kind: 'absolute', value }, memory: { kind: 'share', share } },
  };
}
