import type { Matrix } from './hierarchy.js';

/** A token's product with one matrix. */
export interface MatrixProduct {
  readonly matrix: Matrix;
  /** "input", "attention.0", …, "output" */
  readonly block: string;
  /** Multiply–accumulates a token, of an input without zeros. */
  readonly macs: number;
  /** How many tokens share one product: 1, and all of a sentence for a classifier. */
  readonly tokens: number;
  /**
   * Path of the spiking layer that wrote what the product reads last. As built, a layer norm and the like may
   * lie between and the input is no spike; the idealized accounting takes it as one. Absent where the input is
   * made of real values in any reading.
   */
  readonly spikesOf?: string;
}

/** Operations on single values, of 32-bit floats. */
export interface ScalarOperations {
  /** Subtractions too. */
  readonly additions: number;
  readonly multiplications: number;
  readonly divisions: number;
  /** Exponentials and square roots. */
  readonly functions: number;
  /** With the choice that hangs on it: a maximum, a threshold with its reset. */
  readonly comparisons: number;
}

/** What a model computes for one token. */
export interface TokenOperations {
  /** In network order. A matrix that rows are looked up in has none. */
  readonly products: readonly MatrixProduct[];
  /** Of {@link products} together, a token. */
  readonly macs: number;
  /** What is no matrix product, by what it is for ("layer norm"), in the order of the network. */
  readonly elementwise: readonly (readonly [part: string, operations: ScalarOperations])[];
}

export interface OperationOptions {
  /** Tokens of a sentence, on average: a classifier works once a sentence. 1 by default, the most work. */
  readonly sentenceTokens?: number | undefined;
}

export const NO_OPERATIONS: ScalarOperations = {
  additions: 0,
  multiplications: 0,
  divisions: 0,
  functions: 0,
  comparisons: 0,
};

/** Adds up operations. */
export function addOperations(...all: readonly ScalarOperations[]): ScalarOperations {
  return all.reduce(
    (total, each) => ({
      additions: total.additions + each.additions,
      multiplications: total.multiplications + each.multiplications,
      divisions: total.divisions + each.divisions,
      functions: total.functions + each.functions,
      comparisons: total.comparisons + each.comparisons,
    }),
    NO_OPERATIONS,
  );
}

/** Operations done `count` times. */
export function timesOperations(operations: ScalarOperations, count: number): ScalarOperations {
  return {
    additions: count * operations.additions,
    multiplications: count * operations.multiplications,
    divisions: count * operations.divisions,
    functions: count * operations.functions,
    comparisons: count * operations.comparisons,
  };
}
