// Names under which the kernels of networks that run in time steps are registered with TensorFlow.js. Their
// inputs and outputs are those of the operations in ops.ts.

/** LIF neurons over steps, behind a layer norm or not. */
export const LIF_STEPS = 'QslmLifSteps';
/** Attention of spikes without softmax. */
export const SPIKE_ATTENTION = 'QslmSpikeAttention';
/** Neurons with spikes of both signs and amplitudes of their own at each step. */
export const TERNARY_STEPS = 'QslmTernarySteps';
/** Attention by softmax over the real positions. */
export const SOFTMAX_ATTENTION = 'QslmSoftmaxAttention';
/** GELU of a product and its bias. */
export const BIAS_GELU = 'QslmBiasGelu';
/** Layer norm of a product, its bias and a residual. */
export const ADD_NORM = 'QslmAddNorm';
/** Integrate-and-fire neurons over steps. */
export const INTEGRATE_FIRE = 'QslmIntegrateFire';
/** Spikes of some steps as the bits of whole numbers. */
export const PACK_STEPS = 'QslmPackSteps';
/** The way back from {@link PACK_STEPS}. */
export const UNPACK_STEPS = 'QslmUnpackSteps';

/** A product of spikes. */
export const SPIKE_MAT_MUL = 'QslmSpikeMatMul';

/** Share of its membrane that a ternary neuron keeps (SpikeLM, spiking.py). */
export const TERNARY_DECAY = 0.25;
/** The least amplitude of a ternary spike (SpikeLM, spiking.py). */
export const LEAST_AMPLITUDE = 1e-5;

/** Steps that one float32 holds as bits: all whole numbers below 2^24 are exact. */
export const WORD_STEPS = 24;
