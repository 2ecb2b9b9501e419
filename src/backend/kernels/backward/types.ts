import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';

/** Gradients of a layer norm, by its input and by its parameters, [C] each. */
export interface NormGradients<T extends Tensor = Tensor3D> {
  readonly dx: T;
  readonly dgamma: Tensor1D;
  readonly dbeta: Tensor1D;
}

/** The same of a layer norm with a token shift behind it. */
export interface MixGradients extends NormGradients {
  /** [M, C] */
  readonly dmixes: Tensor2D;
}

/** Gradients of the gated RWKV average, [B, T, C] and [C]. */
export interface WkvGradients {
  readonly dk: Tensor3D;
  readonly dv: Tensor3D;
  readonly dr: Tensor3D;
  readonly ddecay: Tensor1D;
  readonly dfirst: Tensor1D;
}

/** Gradients of LIF neurons by their input and, where there is one, its gate, [B, T, C]. */
export interface SpikeGradients {
  readonly dx: Tensor3D;
  readonly dgate: Tensor3D | undefined;
}
