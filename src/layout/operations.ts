import type { Matrix } from './hierarchy.js';

/** A token's product with one matrix. */
export interface MatrixProduct {
  readonly matrix: Matrix;
  /** "input", "attention.0", …, "output" */
  readonly block: string;
  /** Multiply–accumulates a token, of an input without zeros. */
  readonly macs: number;
  /** Number of tokens that share one product: 1, and all of a sentence for a classifier. */
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

/** The operations of a model for one token. */
export interface TokenOperations {
  /** In network order. A matrix that rows are looked up in has none. */
  readonly products: readonly MatrixProduct[];
  /** Of {@link products} together, a token. */
  readonly macs: number;
  /** All that is no matrix product, by what it is for ("layer norm"), in the order of the network. */
  readonly elementwise: readonly (readonly [part: string, operations: ScalarOperations])[];
}

/** Options of counting a model's operations. */
export interface OperationOptions {
  /** Tokens of a sentence, on average: a classifier works once a sentence. 1 by default, the most work. */
  readonly sentenceTokens?: number | undefined;
}

function ofEachKind(count: (kind: keyof ScalarOperations) => number): ScalarOperations {
  return {
    additions: count('additions'),
    multiplications: count('multiplications'),
    divisions: count('divisions'),
    functions: count('functions'),
    comparisons: count('comparisons'),
  };
}

/** None of each kind. */
export const NO_OPERATIONS = ofEachKind(() => 0);

/** Adds up operations. */
export function addOperations(...all: readonly ScalarOperations[]): ScalarOperations {
  return ofEachKind((kind) => all.reduce((total, each) => total + each[kind], 0));
}

/** Operations done `count` times. */
export function timesOperations(operations: ScalarOperations, count: number): ScalarOperations {
  return ofEachKind((kind) => count * operations[kind]);
}

/**
 * (x − mean) / √(variance + ε) · γ + β over C channels: C additions each for the sum, the differences, the
 * sum of squares and β, one for ε; C multiplications each for squares, scaling and γ, two for the means.
 */
export function layerNormOperations(channels: number): ScalarOperations {
  return {
    ...NO_OPERATIONS,
    additions: 4 * channels + 1,
    multiplications: 3 * channels + 2,
    divisions: 1,
    functions: 1,
  };
}
