import type { BlockName } from './blocks.js';

/**
 * - `matrix`: a two-dimensional weight [out, in] (an embedding: [tokens, width]), the finest unit of a plan;
 * - `sign`: a matrix of which the model reads nothing but whether a value is at least 0;
 * - `vector`: all else. It stays in float32 and is no unit.
 */
export type Role = 'matrix' | 'sign' | 'vector';

/**
 * The use of a matrix:
 *
 * - `token`: a product with every token;
 * - `sequence`: a product once a sequence, as a classifier's;
 * - `lookup`: no product; each token reads a row.
 */
export type Use = 'token' | 'sequence' | 'lookup';

/** A parameter of a model: its name in the checkpoint, and where it belongs. */
export interface Parameter {
  readonly name: string;
  /** In the checkpoint. */
  readonly shape: readonly number[];
  readonly block: BlockName;
  /** Absent for what belongs to the block as a whole, as layer norms may. */
  readonly module?: string;
  /** Its name as a unit of its module; absent for a vector. */
  readonly matrix?: string;
  readonly role: Role;
  /** `token` unless said otherwise. */
  readonly use?: Use;
  /**
   * The first boundary that the parameter changes. Boundary s is the stream before stage s: a parameter of
   * stage s changes boundary s + 1 and all after it, an embedding changes boundary 0, and what follows the
   * last stage changes no boundary: the number of stages + 1.
   */
  readonly boundary: number;
  /** In the file, but neither computed with nor counted: the language-model head of a classifier. */
  readonly unused?: true;
}

/** A part of the network between two boundaries. */
export interface Stage {
  /** Path of the module that it computes. */
  readonly path: string;
  /** Multiply–accumulates a token, the unit in which work is counted: matrix products are nearly all of it. */
  readonly macs: number;
}

/** A layer whose outputs are spikes. */
export interface SpikingLayer {
  /** Path of the module whose output spikes: "input/embedding", "attention.0/MODULE". */
  readonly path: string;
  /** 0 and 1, or −1, 0 and 1. */
  readonly levels: 'binary' | 'ternary';
  /** The stage that it fires in; the embedding fires before the first one. */
  readonly stage: number | 'embedding';
  /** Time steps that it fires in for each token; 1 unless said otherwise. */
  readonly steps?: number;
}

/** The parts of a model, in the order of the network: all that follows from its configuration alone. */
export interface Layout {
  readonly parameters: readonly Parameter[];
  readonly stages: readonly Stage[];
  /** Multiply–accumulates a token after the last stage. */
  readonly outputMacs: number;
  readonly spiking: readonly SpikingLayer[];
  /**
   * True where the stream between stages changes only where a spike does, so that two plans can meet again bit
   * for bit; where it carries real values of its own, looking for that is in vain.
   */
  readonly discreteStream: boolean;
}
