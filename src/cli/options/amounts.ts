import { InvalidArgumentError } from 'commander';
import type { Bound, Constraints } from '../../search/constraints.js';
import { metricOf, type MetricName } from '../../tasks/metrics/metrics.js';

/** A loss as it is written: in the metric's own unit, or in percent of the unquantized model's metric. */
export interface LossAmount {
  readonly value: number;
  readonly isShare: boolean;
}

/** "2" (accuracy points, or perplexity) or "5%" (of the unquantized model's metric). */
export function lossAmount(text: string): LossAmount {
  const match = /^(\d+(?:\.\d+)?)(\s*%)?$/.exec(text.trim());
  if (match === null)
    throw new InvalidArgumentError(
      'Expected accuracy points or perplexity ("2"), or a share ("5%").',
    );
  return { value: Number(match[1]), isShare: match.at(2) !== undefined };
}

const UNITS: Readonly<Record<string, number | undefined>> = { kb: 1e3, mb: 1e6, gb: 1e9 };

/** "6820000", "6.82MB" or "46.4%" (of the unquantized model's footprint). */
export function memoryAmount(text: string): Bound {
  const match = /^(\d+(?:\.\d+)?)\s*(%|[kmg]b|)$/i.exec(text.trim());
  if (match === null)
    throw new InvalidArgumentError(
      'Expected bytes, kB, MB or GB ("6.82MB"), or a share ("46.4%").',
    );
  const [, digits, unit] = match;
  if (unit === '%') return { kind: 'share', share: scaled(Number(digits), -2) };
  return { kind: 'absolute', value: Math.round(Number(digits) * (UNITS[unit.toLowerCase()] ?? 1)) };
}

/** The limits that amounts mean for a metric: points are hundredths of an accuracy. */
export function constraintsOf(
  loss: LossAmount | undefined,
  memory: Bound | undefined,
  metric: MetricName,
): Constraints {
  const lossBound = (): Bound => {
    const { value, isShare } = loss!;
    if (isShare) return { kind: 'share', share: scaled(value, -2) };
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
