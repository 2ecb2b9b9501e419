import type { SequenceModel } from '../model/types.js';
import type { RunOptions } from '../util/progress.js';
import type { SequenceBatch } from './batching.js';
import type { Sst2Parts } from './sst2.js';
import type { Wikitext2Parts } from './wikitext2.js';

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

/** A task as plain data, which survives a structured clone. */
export type TaskParts = Sst2Parts | Wikitext2Parts;

/** What a model said of one batch, item by item: all that a measurement is made from. */
export interface BatchScores {
  /** Items (sentences, windows) of the rows, by their place in the data. */
  readonly indices: Int32Array;
  /** Accuracy: 1 where right, else 0. Perplexity: the window's summed NLL in nats. */
  readonly values: Float64Array;
  /** Accuracy: logit of the label minus the largest other logit; small ones turn first. */
  readonly margins?: Float64Array;
  /** A text of a single window: the NLL of each of its tokens, the sampling unit of its interval. */
  readonly tokenNll?: Float32Array;
}

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
  /** The work, made once: each evaluation hands the model the same objects. */
  readonly batches: readonly SequenceBatch[];
  /** Tokens scored of each item, [items]. */
  readonly itemTokens: readonly number[];

  evaluate(model: SequenceModel, options?: RunOptions): Promise<Measurement>;

  /**
   * Scores batch `index` alone: evaluators that skip, share out or stop early build on it. The scores of
   * an item do not depend on the batch it came in, unless padding is pooled.
   */
  score(model: SequenceModel, index: number): Promise<BatchScores>;

  /** The measurement that scores of all items make, whatever their order. */
  measure(scores: readonly BatchScores[], contextLength: number, seconds: number): Measurement;

  /**
   * The same task with the items of each group batched together, groups in the given order; items in no
   * group come last. The task itself where results depend on the batches.
   */
  arranged(groups: readonly (readonly number[])[]): Task;

  /** Plain data that `taskFromParts` makes the same task of: how a worker thread gets it. */
  readonly parts: TaskParts;
}
