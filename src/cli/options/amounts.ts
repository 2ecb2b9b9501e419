import { InvalidArgumentError } from 'commander';
import type { Bound, Constraints } from '../../search/constraints.js';
import { metricOf, type MetricName } from '../../tasks/metrics/metrics.js';
import { UsageError } from '../../util/errors.js';

/** A loss as it is written: in a metric's own unit, or in percent of the unquantized model's metric. */
export interface LossAmount {
  readonly value: number;
  /** Absent for a bare number, which is in the unit of whatever metric is searched by. */
  readonly unit?: 'share' | MetricName;
}

const LOSS_UNITS: Readonly<Record<string, LossAmount['unit']>> = {
  '%': 'share',
  point: 'accuracy',
  points: 'accuracy',
  ppl: 'perplexity',
  perplexity: 'perplexity',
};

/**
 * "2" or "2 points" (accuracy points), "2.5" or "2.5 ppl" (perplexity), "5%" (of the unquantized model's
 * metric). A bare number below 1 could be a share as well, and is asked back.
 */
export function lossAmount(text: string): LossAmount {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z%]*)$/i.exec(text.trim());
  const unit = match?.[2] === '' ? undefined : LOSS_UNITS[match?.[2].toLowerCase() ?? ''];
  if (match === null || (unit === undefined && match[2] !== ''))
    throw new InvalidArgumentError(
      'Expected accuracy points ("2points"), perplexity ("2ppl"), or a share ("5%").',
    );
  const value = Number(match[1]);
  if (unit !== undefined) return { value, unit };
  if (value > 0 && value < 1)
    throw new InvalidArgumentError(
      `Without a unit it means ${scaled(value, 2)}% of the metric, or ${value} of its unit: ` +
        `write ${scaled(value, 2)}%, or ${value}points, or ${value}ppl.`,
    );
  return { value };
}

const SECONDS: Readonly<Record<string, number | undefined>> = {
  s: 1,
  sec: 1,
  min: 60,
  m: 60,
  h: 3600,
  d: 86400,
};

/** Seconds of "2h", "90min", "1h30min". A bare number could be any of them, and is refused. */
export function duration(text: string): number {
  const parts = [...text.replace(/\s/g, '').matchAll(/(\d+(?:\.\d+)?)([a-z]+)/gi)];
  const whole = parts.map(([part]) => part).join('') === text.replace(/\s/g, '');
  const seconds = parts.map(
    ([, value, unit]) => Number(value) * (SECONDS[unit.toLowerCase()] ?? NaN),
  );
  const total = seconds.reduce((sum, each) => sum + each, 0);
  if (whole && total > 0) return total;
  throw new InvalidArgumentError('Expected a time with its unit: "2h", "90min", "1h30min".');
}

const UNITS: Readonly<Record<string, number | undefined>> = {
  b: 1,
  byte: 1,
  bytes: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
};

/** Bytes from which on a bare number can be nothing else. */
const SURELY_BYTES = 1e5;

/**
 * "6.82MB", "46.4%" (of the unquantized model's footprint), "6820000" (bytes). A small bare number could be
 * megabytes or a share, and is asked back.
 */
export function memoryAmount(text: string): Bound {
  const match = /^(\d+(?:\.\d+)?)\s*(%|[kmg]?b|bytes?|)$/i.exec(text.trim());
  if (match === null)
    throw new InvalidArgumentError(
      'Expected bytes, kB, MB or GB ("6.82MB"), or a share ("46.4%").',
    );
  const [, digits, unit] = match;
  const value = Number(digits);
  if (unit === '%') return { kind: 'share', share: scaled(value, -2) };
  if (unit === '' && value < SURELY_BYTES) throw new InvalidArgumentError(memoryReadings(value));
  return { kind: 'absolute', value: Math.round(value * (UNITS[unit.toLowerCase()] ?? 1)) };
}

/** The readings of a bare number, and how to write each. */
function memoryReadings(value: number): string {
  const share = value < 1 ? scaled(value, 2) : value;
  const readings: string[] = [
    `${value} MB`,
    ...(share <= 100 ? [`${share} % of float32`] : []),
    ...(Number.isInteger(value) ? [`${value} bytes`] : []),
  ];
  const written = readings.map((reading) => reading.replace(/ of float32$/, '').replace(' ', ''));
  return `Without a unit it could mean ${readings.join(' or ')}: write ${written.join(' or ')}.`;
}

/**
 * The limits that amounts mean for a metric: points are hundredths of an accuracy.
 *
 * @throws {UsageError} for a loss in the unit of another metric.
 */
export function constraintsOf(
  loss: LossAmount | undefined,
  memory: Bound | undefined,
  metric: MetricName,
): Constraints {
  const lossBound = (): Bound => {
    const { value, unit = metric } = loss!;
    if (unit === 'share') return { kind: 'share', share: scaled(value, -2) };
    if (unit !== metric)
      throw new UsageError({
        what: 'the limit is of another metric',
        where: '--max-loss',
        got: `${value} of ${unit}, for a search by ${metric}`,
        expected: `a loss of ${metric}, or a share (5%)`,
      });
    return { kind: 'absolute', value: scaled(value, metricOf(metric).loss.exponent) };
  };
  return { ...(loss && { loss: lossBound() }), ...(memory && { memory }) };
}

/** Times a power of ten, rounded once: 46.4 gives 0.464, which 46.4 / 100 is not. */
function scaled(value: number, exponent: number): number {
  return Number(`${value}e${exponent}`);
}

/** Weights of the trade-off score, "0,0.5,1": each once, in the order given. */
export function weights(text: string): number[] {
  return [...new Set(text.split(',').map(weight))];
}

/** A weight of the trade-off score; whether it may exceed 1 depends on the score. */
export function weight(text: string): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (value >= 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('Expected a number, 0 or more.');
}
