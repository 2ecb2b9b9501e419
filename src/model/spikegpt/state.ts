import * as tf from '@tensorflow/tfjs-core';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { EMPTY_EXPONENT } from '../../backend/kernels/names.js';
import type { SpikeGPTConfig } from './config.js';

/**
 * The memory of one block between tokens, for B sequences. An attention block with `ffnPre` in place of its
 * TimeMix has no WKV sums; the rest is the same.
 */
export interface BlockState {
  /** [B, C], the last normalized token each module saw. */
  readonly mixShift: Tensor2D;
  readonly ffnShift: Tensor2D;
  /** [B, 3, C], numerator, denominator and exponent of the WKV average. */
  readonly wkv: Tensor3D;
  /** [B, C], membrane potentials of the LIF layers. */
  readonly mixMembrane: Tensor2D;
  readonly ffnMembrane: Tensor2D;
}

/** The state of the whole network between two calls. Its owner disposes it. */
export type RecurrentState = readonly BlockState[];

/** The state before the first token: nothing seen, potentials at rest. */
export function initialBlockState(config: SpikeGPTConfig, batch: number): BlockState {
  const { width } = config;
  const rest = (): Tensor2D => tf.zeros([batch, width]);
  return tf.tidy(() => {
    const sums: Tensor3D = tf.zeros([batch, 2, width]);
    const exponents: Tensor3D = tf.fill([batch, 1, width], EMPTY_EXPONENT, 'float32');
    return {
      mixShift: rest(),
      ffnShift: rest(),
      wkv: tf.concat([sums, exponents], 1),
      mixMembrane: rest(),
      ffnMembrane: rest(),
    };
  });
}

/** The state of all blocks before the first token. */
export function initialState(config: SpikeGPTConfig, batch: number): RecurrentState {
  return Array.from({ length: config.layers }, () => initialBlockState(config, batch));
}

/** Frees the state of some blocks. */
export function disposeState(state: readonly Partial<BlockState>[]): void {
  for (const block of state) tf.dispose(Object.values(block));
}
