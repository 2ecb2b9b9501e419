// Names under which the kernels are registered with TensorFlow.js. Their inputs and outputs are those of the
// operations in ops.ts; all values are float32 and row-major.

/** Rows of a table by index. */
export const GATHER_ROWS = 'QslmGatherRows';
/** Layer norm over the last axis. */
export const LAYER_NORM = 'QslmLayerNorm';
/** Layer norm, token shift and interpolation. */
export const TOKEN_MIX = 'QslmTokenMix';
/** The gated RWKV average. */
export const WKV = 'QslmWkv';
/** LIF neurons, added to the residual stream. */
export const SPIKING_RESIDUAL = 'QslmSpikingResidual';
/** max(x, 0)² · weights. */
export const SQUARED_RELU_MATMUL = 'QslmSquaredReluMatMul';
/** max(x, 0)², where the product with the weights is another kernel's. */
export const SQUARED_RELU = 'QslmSquaredRelu';
/** x · weights. */
export const MAT_MUL = 'QslmMatMul';
/** Likelihoods from the product with the head. */
export const HEAD_NLL = 'QslmHeadNll';
/** Likelihoods from logits. */
export const TOKEN_NLL = 'QslmTokenNll';
/** Means over the tokens of each sequence. */
export const MASKED_MEAN = 'QslmMaskedMean';

/** PyTorch's LayerNorm default, which SpikeGPT uses. */
export const LAYER_NORM_EPSILON = 1e-5;

/** Exponent of an empty WKV sum: e^x of it is 0, and adding to it does not overflow float32. */
export const EMPTY_EXPONENT = -1e38;

/** Membrane potential at which a LIF neuron fires (SpikeGPT, src/model.py: v_threshold = 1). */
export const LIF_THRESHOLD = 1;
/** Membrane time constant in tokens (SpikeGPT: tau = 2). */
export const LIF_TAU = 2;
