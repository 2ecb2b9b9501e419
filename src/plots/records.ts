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

/** The unquantized model on a task. */
export interface BaselineRecord {
  readonly task: TaskName;
  readonly model: string;
  readonly metric: number;
  readonly low: number;
  readonly high: number;
  readonly bytes: number;
}

/** Bits of one unit of a plan, in network order. */
export interface UnitBits {
  /** 'input', 'attention.0', …, 'output'. */
  readonly block: string;
  /** What of the block: 'embedding', 'SRWKV', or a matrix, 'SRWKV/key'. */
  readonly part: string;
  /** 32 where it is left alone. */
  readonly bits: number;
}

/** One plan that a search tried (Fig. 9, and the search step by step). */
export interface StepRecord {
  readonly task: TaskName;
  readonly model: string;
  /** Place in the search, from 0. Of equal scores the earliest step is selected. */
  readonly step: number;
  readonly stage: 'global' | 'block' | 'module' | 'knapsack' | 'swap';
  /** What was changed: 'model', a block, a module. */
  readonly unit: string;
  /** The bits it was given; absent where units got different ones. */
  readonly bits?: number;
  /** The metric; where `exact` is false only the bound at which the measurement was broken off. */
  readonly metric: number;
  /** False where a verdict was certain before the end: such a plan is drawn, never selected. */
  readonly exact: boolean;
  /** 95 % interval, where there is one. */
  readonly low?: number;
  readonly high?: number;
  readonly bytes: number;
  /** Whether the step was kept, and why (or why not): 'meets both limits'. */
  readonly accepted: boolean;
  readonly reason: string;
  /** The whole plan, in network order. */
  readonly units: readonly UnitBits[];
}

/** The two limits of a search. Infinity where there is none. */
export interface LimitsRecord {
  /** Largest loss: 0.02 is two accuracy points; or perplexity. */
  readonly loss: number;
  readonly bytes: number;
}

/** A published result, as a change from its own baseline. */
export interface PaperRecord {
  readonly task: TaskName;
  /** 'a1', …, 'b3'. */
  readonly name: string;
  readonly metric: number;
  readonly baseline: number;
  /** Share of the baseline's memory that is saved, [0, 1]. */
  readonly saving: number;
}
