import { comparePaired, metricOf, type Measurement, type PairedComparison } from './metrics.js';

/** The amount by which a metric moves when nothing that matters is changed; plain data. */
export interface NoiseFloor {
  /** Evaluations that it is the largest of. */
  readonly dithers: number;
  /** Largest change of the metric, in its own unit. */
  readonly metric: number;
  /** The same in the scale of a paired comparison's difference: nats a token for a perplexity. */
  readonly difference: number;
}

/**
 * The noise floor that dithered evaluations show: the largest change from the baseline.
 *
 * @returns undefined without any.
 * @throws {DataError} as `comparePaired`.
 */
export function noiseFloorOf(
  baseline: Measurement,
  dithered: readonly Measurement[],
): NoiseFloor | undefined {
  if (dithered.length === 0) return undefined;
  const largest = (values: readonly number[]): number => Math.max(...values.map(Math.abs));
  return {
    dithers: dithered.length,
    metric: largest(dithered.map(({ value }) => value - baseline.value)),
    difference: largest(dithered.map((each) => comparePaired(baseline, each).difference)),
  };
}

/** True where a difference is no larger than what the last bits of weights make of it. */
export function isBelowFloor(
  { difference }: PairedComparison,
  noise: NoiseFloor | undefined,
): boolean {
  return noise !== undefined && Math.abs(difference) <= noise.difference;
}

/** A comparison in words that calls a difference below the noise floor noise, and never clear. */
export function statedBeside(
  comparison: PairedComparison,
  noise?: NoiseFloor,
): { readonly text: string; readonly clear?: boolean } {
  const stated = metricOf(comparison.metric).stated(comparison);
  if (!isBelowFloor(comparison, noise)) return stated;
  return {
    text: `${stated.text}; noise: no more than the last bits of the weights make`,
    clear: false,
  };
}

/**
 * "−0.7 points (McNemar p = 0.43)" or "+1.3 % (95 %: +0.9 % to +1.7 %)".
 *
 * @param noise the noise floor on the same data: a difference below it is called noise.
 */
export function formatComparison(comparison: PairedComparison, noise?: NoiseFloor): string {
  return statedBeside(comparison, noise).text;
}
