/**
 * Names under which the kernels are registered with TensorFlow.js, and their inputs and outputs.
 * All values are float32 and row-major; B sequences, T tokens, C channels.
 */
export const GATHER_ROWS = 'QslmGatherRows';
export const LAYER_NORM = 'QslmLayerNorm';
export const TOKEN_MIX = 'QslmTokenMix';
export const WKV = 'QslmWkv';
export const SPIKING_RESIDUAL = 'QslmSpikingResidual';
export const SQUARED_RELU_MATMUL = 'QslmSquaredReluMatMul';
export const MAT_MUL = 'QslmMatMul';
export const HEAD_NLL = 'QslmHeadNll';
export const TOKEN_NLL = 'QslmTokenNll';
export const MASKED_MEAN = 'QslmMaskedMean';

/** PyTorch's LayerNorm default, which SpikeGPT uses. */
export const LAYER_NORM_EPSILON = 1e-5;

/** Exponent of an empty WKV sum: e^x of it is 0, and adding to it does not overflow float32. */
export const EMPTY_EXPONENT = -1e38;

/** Membrane potential at which a LIF neuron fires (SpikeGPT, src/model.py: v_threshold = 1). */
export const LIF_THRESHOLD = 1;
/** Membrane time constant in tokens (SpikeGPT: tau = 2). */
export const LIF_TAU = 2;
