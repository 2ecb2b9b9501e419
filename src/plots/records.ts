/**
 * Records that figures are drawn from: flat rows, so that they can be a CSV, a DataFrame or JSON. Accuracy
 * is a share in [0, 1], perplexity is per token, memory is in bytes; the figures convert for display.
 */

import type { LossAgainst } from '../search/differences.js';
import type { TaskName } from '../tasks/kinds.js';

/** The two experiments of the paper; accuracy for the first, perplexity for the second. */
export type { TaskName };

/** A model on a task. */
interface Subject {
  readonly task: TaskName;
  readonly model: string;
}

/** The unquantized model on a task. */
export interface BaselineRecord extends Subject {
  readonly metric: number;
  /** 95 % interval of the metric. */
  readonly low: number;
  readonly high: number;
  readonly bytes: number;
}

/** The whole model at one bit width (Fig. 2). */
export interface UniformRecord extends BaselineRecord {
  /** Bits a weight; 32 is the unquantized baseline. */
  readonly bits: number;
  /** Share of the baseline's bytes that is saved, [0, 1]. */
  readonly saving: number;
  /** 95 % interval beside the unquantized model's metric, item by item: for comparing with it. */
  readonly pairedLow?: number;
  readonly pairedHigh?: number;
}

/** Bits of one unit of a plan, in network order. */
export interface UnitBits {
  /** 'input', 'attention.0', …, 'output'. */
  readonly block: string;
  /** Part of the block: a module, or a matrix of one, 'head/head'. */
  readonly part: string;
  /** Bits a value is stored in; 32 where it is left alone. */
  readonly bits: number;
}

/** One plan that a search tried (Fig. 9, and the search step by step). */
export interface StepRecord extends Subject {
  /** Place in the search, from 0. Of equal scores the earliest step is selected. */
  readonly step: number;
  readonly stage: 'global' | 'block' | 'module' | 'knapsack' | 'swap';
  /** The unit that was changed: 'model', a block, a module. */
  readonly unit: string;
  /** The width it was given; absent where units got different ones. */
  readonly bits?: number;
  /** Bits that its values are stored in, where that is another number: a sign takes one at any width. */
  readonly stored?: number;
  /**
   * The metric; where `exact` is false only the bound at which the measurement was broken off. NaN where
   * the plan broke the model: listed, not drawn.
   */
  readonly metric: number;
  /** False where a verdict was certain before the end: such a plan is drawn, never selected. */
  readonly exact: boolean;
  /**
   * Set where a sample decided: then `metric` is its estimate, no bound. `low` and `high` are the ends of what it
   * does not rule out at the search's level, which is not the 95 % of other intervals.
   */
  readonly sample?: {
    readonly items: number;
    readonly of: number;
    readonly low: number;
    readonly high: number;
  };
  /** 95 % interval, where there is one. */
  readonly low?: number;
  readonly high?: number;
  /** The same beside the unquantized model's metric, item by item: for comparing with it. */
  readonly pairedLow?: number;
  readonly pairedHigh?: number;
  readonly bytes: number;
  /** Modelled energy of a token in microjoules, where selection weighs it. */
  readonly energy?: number;
  /** True where the step was kept; the reason for it or against it: 'meets both limits'. */
  readonly accepted: boolean;
  readonly reason: string;
  /**
   * Of a candidate the steps of the smaller ones that are worse by at most one standard error of the paired
   * difference; absent where that is not known.
   */
  readonly ties?: readonly number[];
  /** Losses against earlier steps, item by item, where they are known. */
  readonly against?: readonly LossAgainst[];
  /** The whole plan, in network order. */
  readonly units: readonly UnitBits[];
}

/** The two limits of a search. Infinity where there is none. */
export interface LimitsRecord {
  /** Largest loss: 0.02 is two accuracy points; or perplexity. */
  readonly loss: number;
  readonly bytes: number;
}

/** A neuron at one token of a sequence, under one plan. */
export interface MembraneRecord {
  /** 'fp32', '4 bits'. */
  readonly plan: string;
  /** Place in the sequence, from 0. */
  readonly token: number;
  readonly word: string;
  readonly current: number;
  /** Before the reset. */
  readonly potential: number;
  /** Where it did, the potential is 0 afterwards. */
  readonly spike: boolean;
}

/** The firing rate of a spiking layer at one of its time steps, under one plan. */
export interface FiringRateRecord {
  readonly model: string;
  /** 'fp32', 'a1'. */
  readonly plan: string;
  /** Path of the layer; records come in network order. */
  readonly layer: string;
  /** From 1; a layer that fires once a token has one. */
  readonly step: number;
  /** Share of its values that are spikes, [0, 1]. */
  readonly rate: number;
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

/** One block (or module) quantized alone, all else left at fp32 (Fig. 7). */
export interface SensitivityRecord extends Subject {
  /** 'input', 'attention.0', …, or modules or matrices of them; records come in network order. */
  readonly unit: string;
  readonly bits: number;
  /** Bits that its values are stored in, where that is another number: a sign takes one at any width. */
  readonly stored?: number;
  readonly metric: number;
  /** 95 % interval, where there is one. */
  readonly low?: number;
  readonly high?: number;
  /** The same beside the unquantized model's metric, item by item: for comparing with it. */
  readonly pairedLow?: number;
  readonly pairedHigh?: number;
  /** Mean KL divergence of the logits from the unquantized model's, nats a token. */
  readonly klDivergence?: number;
  /** Share of spikes that differ from the unquantized model's, [0, 1]. */
  readonly flipRate?: number;
  /** Signal-to-quantization-noise ratio of the weights, dB. */
  readonly sqnr?: number;
  /** Relative distance of membrane potentials from the unquantized model's, the mean over layers. */
  readonly membraneDrift?: number;
}

/** A figure that can stand for the loss of units, and the plan that it leads to. */
export interface PredictorRecord extends Subject {
  /** For people: 'SQNR'. */
  readonly predictor: string;
  /** Spearman's rank correlation with the measured loss; absent where there is none to tell. */
  readonly rank?: number;
  /** Of a table of it, in evaluations of the whole task. */
  readonly cost: number;
  /** Of its plan, measured; NaN where it broke the model: listed, not drawn. */
  readonly metric: number;
  /** 95 % interval beside the unquantized model's metric, item by item. */
  readonly pairedLow?: number;
  readonly pairedHigh?: number;
  readonly bytes: number;
}

/** A parameter tensor, or the vectors of a module taken together (Fig. 4 and 6). */
export interface MatrixRecord {
  /** 'input', 'attention.0', …, 'output'; records come in network order. */
  readonly block: string;
  /** 'embedding', 'head', …; 'norms' for vectors of no module. */
  readonly module: string;
  /** 'key', 'value', …, 'vectors'. */
  readonly matrix: string;
  readonly parameters: number;
  /** Bits that a plan gives it; absent where there is no plan. */
  readonly bits?: number;
}

/** A model of the landscape (Fig. 1). */
export interface LandscapeRecord {
  readonly name: string;
  readonly kind: 'published' | 'this project';
  readonly parameters: number;
  /** Accuracy on SST-2, [0, 1]. */
  readonly accuracy: number;
  /** Weights, in bytes. */
  readonly bytes: number;
  /** Energy a token in microjoules, where a source gives it. */
  readonly energy?: number;
  /** Origin of that energy; "as its source has it" where it is left out. */
  readonly energyOrigin?: 'modelled' | 'measured';
  /** Origin of the numbers, for people. */
  readonly source: string;
  /** Title of the sentences that the accuracy is of, where they are not those of the published models. */
  readonly data?: string;
}

/** Energy of a plan (Fig. 10). */
export interface EnergyRecord extends Subject {
  /** 'fp32', 'a1', …; the first of a task is the baseline. */
  readonly plan: string;
  /** The accounting, 'as built', 'idealized' or 'integer', or the meter's name. */
  readonly accounting: string;
  readonly origin: 'modelled' | 'measured';
  /** Further conditions: 'weights from DRAM for every token', or a machine. */
  readonly setting: string;
  /** Microjoules a token. */
  readonly microjoules: number;
  /** Of these, reading weights; absent where they are not told apart. */
  readonly weightMicrojoules?: number;
  /** Ends of the published constants, or the spread of a measurement. */
  readonly low?: number;
  readonly high?: number;
  /** Measured against the first plan, paired: as a share, with its 95 % interval. */
  readonly change?: { readonly value: number; readonly low: number; readonly high: number };
}

/** Power of a task as the paper states it, in shares of the unquantized model's (Fig. 10). */
export interface PaperPowerRecord {
  readonly task: TaskName;
  /** Least and most that was saved over its cases, [0, 1]. */
  readonly least: number;
  readonly most: number;
  readonly source: string;
}

/** Operations that a token takes in a part of a model, all blocks together. */
export interface OperationRecord {
  readonly model: string;
  /** A module's matrix, 'head', 'layer norm'; records come in network order. */
  readonly part: string;
  /**
   * A matrix product after a spiking layer, which an ideal network would do by accumulating spikes; one of
   * real values in any reading; or an operation on single values.
   */
  readonly kind: 'product after spikes' | 'product of real values' | 'elementwise';
  /** A multiply–accumulate is two. */
  readonly operations: number;
}

/** Work that an acceleration of the evaluator avoided in a run. */
export interface SavingRecord {
  /** 'a1 on spikegpt-mini-sst2'. */
  readonly run: string;
  /** 'prefix reuse', 'spike-exact exit', …; 'computed' for the work that was really done. */
  readonly part: string;
  /** In evaluations of the whole task. The parts of a run add up to all that would be done. */
  readonly evaluations: number;
}
