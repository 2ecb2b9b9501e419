// Names under which the kernels of networks that run in time steps are registered with TensorFlow.js. Their
// inputs and outputs are those of the operations in ops.ts.

/** LIF neurons over steps, behind a layer norm or not. */
export const LIF_STEPS = 'QslmLifSteps';
/** Attention of spikes without softmax. */
export const SPIKE_ATTENTION = 'QslmSpikeAttention';
