import type { Tensor1D } from '@tensorflow/tfjs-core';

/** The bias of a product, and the layer norm behind it; vectors are [C]. */
export interface StepNorm {
  readonly bias: Tensor1D;
  readonly gamma: Tensor1D;
  readonly beta: Tensor1D;
  readonly epsilon: number;
}

/** Constants of leaky neurons. */
export interface LifSettings {
  /** T */
  readonly steps: number;
  /** Membrane time constant in steps. */
  readonly tau: number;
  /** Potential at which a neuron fires, reached or passed. */
  readonly threshold: number;
  /** Factor of the input; 1 by default. */
  readonly scale?: number;
}
