import type { SequenceModel } from '../model/types.js';
import type { RunOptions } from '../util/progress.js';

/** A confidence interval of a metric, in the metric's unit. */
export interface Interval {
  readonly low: number;
  readonly high: number;
  /** 0.95 */
  readonly level: number;
}

interface MeasurementBase {
  /** {@link Task.id} of the task that was measured: two measurements compare only where it is equal. */
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

/** Accuracy over sentences, in [0, 1]. */
export interface AccuracyMeasurement extends MeasurementBase {
  readonly metric: 'accuracy';
  /** 1 where the sentence was classified rightly, in the order of the data. */
  readonly correct: readonly (0 | 1)[];
}

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

export type Measurement = AccuracyMeasurement | PerplexityMeasurement;
export type Metric = Measurement['metric'];

/** Something a model is measured on. */
export interface Task {
  /** "sst2" or "wikitext2". */
  readonly name: string;
  readonly metric: Metric;
  /** Where the data came from, for people: "UCI movie sentences (bundled)". */
  readonly source: string;
  /** Hash of the encoded data and of every setting that can change the result. */
  readonly id: string;
  readonly items: number;
  readonly tokens: number;
  evaluate(model: SequenceModel, options?: RunOptions): Promise<Measurement>;
}
