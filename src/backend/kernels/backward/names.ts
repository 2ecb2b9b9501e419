// Names under which the kernels of gradients are registered with TensorFlow.js. Their inputs and outputs are
// those of the operations in ops.ts.

/** Gradient of layer norm. */
export const LAYER_NORM_BACKWARD = 'QslmLayerNormBackward';
/** Gradient of layer norm, token shift and interpolation. */
export const TOKEN_MIX_BACKWARD = 'QslmTokenMixBackward';
/** Gradient of the gated RWKV average. */
export const WKV_BACKWARD = 'QslmWkvBackward';
/** Gradient of LIF neurons, by a surrogate. */
export const SPIKES_BACKWARD = 'QslmSpikesBackward';
/** Gradient of max(x, 0)². */
export const SQUARED_RELU_BACKWARD = 'QslmSquaredReluBackward';
/** Likelihoods, and their gradient. */
export const NLL_BACKWARD = 'QslmNllBackward';
/** Gradient of means over the tokens of each sequence. */
export const MASKED_MEAN_BACKWARD = 'QslmMaskedMeanBackward';
/** Gradient of the product after a squared ReLU, by what is squared. */
export const SQUARED_RELU_MATMUL_BACKWARD = 'QslmSquaredReluMatMulBackward';
/** x · weights for an x of many zeros. */
export const SPARSE_MATMUL = 'QslmSparseMatMul';
/** A matrix transposed. */
export const TRANSPOSE = 'QslmTranspose';
