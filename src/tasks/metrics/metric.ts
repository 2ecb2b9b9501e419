import type { Interval } from './intervals.js';

/** The part that all measurements have, whatever they measure. */
export interface MeasurementBase {
  /** Id of the task that was measured: two measurements compare only where it is equal. */
  readonly taskId: string;
  readonly value: number;
  readonly interval: Interval;
  /** Sentences, or windows. */
  readonly items: number;
  /** Tokens evaluated, padding not counted. */
  readonly tokens: number;
  /** Wall time in seconds. */
  readonly seconds: number;
  /**
   * Sequences longer than the model's context length: computed in full, though the model was never
   * trained on such positions. Absent where there are none.
   */
  readonly beyondContext?: number;
}

/** The amount of data scored, and the sum of the scores: all that an evaluation knows that may stop early. */
export interface Tally {
  /** Items scored. */
  readonly items: number;
  /** Right answers, or summed NLL in nats rounded down. */
  readonly sum: number;
}

/** The amount of data to score. */
export interface Whole {
  readonly items: number;
  readonly tokens: number;
}

/** A paired comparison in two cells of a table: how much changed, and how sure that is. */
export interface ComparisonCells {
  readonly change: string;
  readonly certainty: string;
}

/** A paired comparison in words: "−0.7 points (McNemar p = 0.43)". */
export interface StatedComparison {
  readonly text: string;
  /** False where chance alone gives a difference like this in more than one of twenty samples; absent where that cannot be told. */
  readonly clear?: boolean;
}

/** Loss as a mean over items: in a scale where a limit of the loss is a limit of the mean. */
export interface ItemLosses<Measured extends MeasurementBase = MeasurementBase> {
  /** The scores that a measurement was made of, as the task gives them, in the order of the data. */
  values(measurement: Measured): readonly number[];
  /**
   * Losses of some items against the baseline.
   *
   * @param items their places; `values` are their scores under another plan, in the same order.
   */
  losses(baseline: Measured, items: readonly number[], values: readonly number[]): number[];
  /** The mean of all items' losses at which the metric is `value`. Rises as the metric gets worse. */
  meanAt(baseline: Measured, value: number): number;
  /** Inverse of {@link meanAt}. */
  valueAt(baseline: Measured, mean: number): number;
  /** No item's loss is further from 0; absent where there is no such bound. */
  readonly bound?: number;
}

/** A measured quantity: all that differs between metrics. Data carry its name; all else is asked for here. */
export interface Metric<
  Measured extends MeasurementBase = MeasurementBase,
  Comparison extends object = object,
> {
  /** "accuracy": in files, and in the middle of a sentence. */
  readonly name: string;
  readonly better: 'higher' | 'lower';
  /** The value of a model that does nothing right. */
  readonly worst: number;
  /** The things that are scored one by one. */
  readonly item: { readonly one: string; readonly many: string };
  /** The unit of a loss: "points", hundredths of an accuracy; "of perplexity". */
  readonly loss: {
    readonly unit: number;
    /** 10 to this power is the unit: amounts that people write are scaled without rounding twice. */
    readonly exponent: number;
    readonly name: string;
  };

  /** Difference from the baseline: positive is worse. NaN for a NaN value. */
  readonly lossOf: (baseline: number, value: number) => number;
  /** The value that is worse than the baseline by a loss. */
  readonly atLoss: (baseline: number, loss: number) => number;
  /** The best value that is still worse than another: what is known of a plan that a limit refused. */
  readonly worseThan: (value: number, whole: Whole) => number;
  /** Larger is better, for any metric. */
  readonly goodness: (value: number) => number;
  /** The best and the worst that the value can still be, once some items were scored. */
  readonly range: (tally: Tally, whole: Whole) => { readonly best: number; readonly worst: number };

  /** "77.6 %" */
  readonly format: (value: number) => string;
  /** "74.9–80.1 %" */
  readonly formatRange: (range: Pick<Interval, 'low' | 'high'>) => string;
  /** Further figures of a measurement that stand before its interval: "776 of 1,000". */
  detail(measurement: Measured): string;

  /** Compares item by item. @throws {DataError} for other items. */
  compare(baseline: Measured, other: Measured): Comparison;
  /** Titles of {@link compared}. */
  readonly comparison: ComparisonCells;
  /** A comparison in two cells. */
  compared(comparison: Comparison): ComparisonCells;
  /** A comparison as a sentence says it. */
  stated(comparison: Comparison): StatedComparison;

  /**
   * Parts by which the items move the value, to first order: they add up to 0, and value and these together
   * are what the value would be if items weighed otherwise.
   */
  influences(measurement: Measured): number[];
  /**
   * Two-sided 95 % interval of the loss; undefined where the items are too few.
   *
   * @param paired the loss and its standard error.
   */
  lossInterval(
    baseline: Measured,
    other: Measured,
    paired: { readonly loss: number; readonly standardError: number | undefined },
  ): Pick<Interval, 'low' | 'high'> | undefined;
  /**
   * Upper end of a one-sided 95 % interval of the loss; undefined where the items are too few.
   *
   * @param paired the loss and its standard error.
   */
  lossBound(
    baseline: Measured,
    other: Measured,
    paired: { readonly loss: number; readonly standardError: number | undefined },
  ): number | undefined;

  /** The loss item by item, for metrics where a limit of the loss is one of a mean over items. */
  readonly byItem?: ItemLosses<Measured>;

  /** Takes the per-item arrays out of a measurement, packed: the form that it is stored in. */
  pack(measurement: Measured): { readonly record: object; readonly items: Uint8Array };
  /** The measurement that {@link pack} was given. */
  unpack(record: object, items: Uint8Array): Measured;
}
