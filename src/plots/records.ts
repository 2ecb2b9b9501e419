/**
 * What the figures are drawn from: flat rows, so that they can be a CSV, a DataFrame or JSON. Accuracy
 * is a share in [0, 1], perplexity is per token, memory is in bytes; the figures convert for display.
 */

/** The two experiments of the paper; accuracy for the first, perplexity for the second. */
export type TaskName = 'sst2' | 'wikitext2';

/** The whole model at one bit width (Fig. 2). */
export interface UniformRecord {
  readonly task: TaskName;
  readonly model: string;
  /** Bits a weight; 32 is the unquantized baseline. */
  readonly bits: number;
  readonly metric: number;
  /** 95 % interval of the metric. */
  readonly low: number;
  readonly high: number;
  readonly bytes: number;
  /** Share of the baseline's bytes that is saved, [0, 1]. */
  readonly saving: number;
}
