import type { Loss } from '../model/family.js';
import type { Pooling, SequenceModel } from '../model/types.js';
import type { RunOptions } from '../util/progress.js';
import type { SequenceBatch } from './batching.js';
import type { Measurement, MetricName } from './metrics/metrics.js';

/** A model's answers for one batch, item by item: all that a measurement is made from. */
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

/** The origin of a task's data, for people. */
export interface DataSource {
  /** In full: "UCI movie sentences (bundled, search part)", or a path. */
  readonly source: string;
  /** In a title: "Film reviews (bundled)", "dev.tsv". */
  readonly title: string;
}

/** A task as plain data, which survives a structured clone. */
export interface TaskParts extends DataSource {
  /** Name of the kind of task, which knows the rest. */
  readonly task: string;
  readonly id: string;
}

/** Some items of a task. */
export interface TaskGroup {
  /** Places in the task, in the order of the group. */
  readonly items: readonly number[];
  /** Batches that they are in, by index. */
  readonly batches: readonly number[];
  /** The items as a task of their own; its scores are those that the items have in the whole. */
  readonly task: Task;
}

/** A task in groups of items: batches of a group hold nothing else. */
export interface GroupedTask {
  readonly task: Task;
  readonly groups: readonly TaskGroup[];
}

/** Something a model is measured on. */
export interface Task extends DataSource {
  /** "sst2" or "wikitext2". */
  readonly name: string;
  readonly metric: MetricName;
  /** Hash of the encoded data and of every setting that can change the result. */
  readonly id: string;
  readonly items: number;
  readonly tokens: number;
  /** The work, made once: each evaluation hands the model the same objects. */
  readonly batches: readonly SequenceBatch[];
  /** Tokens scored of each item, [items]. */
  readonly itemTokens: readonly number[];
  /** Tokens that share one classification, on average; 1 where every token is predicted. */
  readonly sentenceTokens: number;
  /** The vector of a sentence's tokens that is classified; absent where nothing is. */
  readonly pooling?: Pooling;
  /** Inputs of a window; absent for sentences, which are whole. */
  readonly context?: number;
  /** Settings that show in results as JSON. */
  readonly settings: Readonly<Record<string, string | number>>;

  /** The quantity measured, the data and its cuts: for people, a line each. */
  describe(): (readonly [name: string, value: string])[];

  /** Scores all batches and measures. @throws {AbortedError} between two batches. */
  evaluate(model: SequenceModel, options?: RunOptions): Promise<Measurement>;

  /**
   * Scores batch `index` alone: evaluators that skip, share out or stop early build on it. The scores of
   * an item do not depend on the batch it came in, unless padding is pooled.
   */
  score(model: SequenceModel, index: number): Promise<BatchScores>;

  /**
   * The NLL that batch `index` can be trained for: of a label a sentence, or of the scored tokens, each with the
   * weight 1. Absent where nothing can.
   */
  lossOf?(index: number): Loss;

  /** The measurement that scores of all items make, whatever their order. */
  measure(scores: readonly BatchScores[], contextLength: number, seconds: number): Measurement;

  /** Positions of an item that count, from and up to. @param length positions that are no padding */
  scoredPositions(item: number, length: number): readonly [from: number, to: number];

  /**
   * The same task with the items first that are likely to settle a verdict: those that the unquantized model
   * gets wrong or barely right. Any order is correct; this one makes a failure certain soonest. The task
   * itself where results depend on the batches.
   *
   * @param scores of the baseline, where at hand: they also tell how close it was
   */
  arrangedByRisk(baseline: Measurement, scores: readonly BatchScores[]): Task;

  /**
   * The task in groups that together are its items; absent where scores of an item depend on what it shares a
   * batch with. @throws {UsageError} where they are not.
   */
  inGroups?(groups: readonly (readonly number[])[]): GroupedTask;

  /** Plain data that `taskFromParts` makes the same task of, in a worker thread too. */
  readonly parts: TaskParts;
}

/** The last part of a source's path, or all of a source that is none: what titles call the data. */
export function titleOf(source: string): string {
  return source.split(',', 1)[0].replace(/^.*[\\/]/, '');
}
